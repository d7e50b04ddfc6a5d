// A server that speaks an older layout of the messages: what goes out, what comes back, what passes.
#include "unit/msgif/older_server.hh"

#include <sys/stat.h>

namespace puffs::test {
namespace {

constexpr std::size_t whole = sizeof(msg::request);

frame_bytes text(std::string_view s) {
    const auto bytes = std::as_bytes(std::span(s));
    return {bytes.begin(), bytes.end()};
}

// One question and its answer, on a mount of its own.
class round_trip {
  public:
    round_trip(opclass c, std::uint32_t type, const std::function<void(msg::arguments&)>& ask,
               frame_bytes in = {}, std::size_t room = 0)
        : in_(std::move(in)), out(room), x_(c, type, [&](park& p) {
              p.set_runs(in_, out);
              ask(p.req().args);
          }) {}
    explicit round_trip(vn_op op, const std::function<void(msg::arguments&)>& ask,
                        frame_bytes in = {}, std::size_t room = 0)
        : round_trip(opclass::vn, static_cast<std::uint32_t>(op), ask, std::move(in), room) {}

    // What the server got, if its fixed part is that of Args.
    template <class Args>
    Args seen() {
        const msg::header h = x_.request.head();
        EXPECT_EQ(x_.request.fixed.size(), older::bytes_of<Args>);
        EXPECT_EQ(x_.request.bytes.size(), older::bytes_of<Args> + in_.size());
        EXPECT_EQ(x_.request.in(), in_);
        EXPECT_EQ(h.buflen, older::bytes_of<Args> + std::max(in_.size(), out.size()));
        EXPECT_EQ(h.node, dir);
        EXPECT_NE(h.id, 0U);
        return x_.request.args<Args>();
    }
    // What the caller got.
    template <class Args>
    const msg::arguments& answered(const Args& args, const frame_bytes& carried = {}) {
        x_.server.send(answer_to(x_.request, args, carried));
        EXPECT_TRUE(x_.asker.over);
        EXPECT_EQ(x_.asker.rv, 0);
        EXPECT_EQ(x_.asker.out_bytes, carried.size());
        EXPECT_EQ(x_.asker.request.head.node, dir);
        EXPECT_TRUE(x_.server.answers.empty());
        return x_.asker.request.args;
    }
    [[nodiscard]] std::size_t live_nodes() const { return x_.rig.mount.live_nodes(); }

    [[nodiscard]] const wire_request& request() const { return x_.request; }

  private:
    const frame_bytes in_;

  public:
    frame_bytes out;

  private:
    older_exchange x_; // asks with both
};

// spec: F28 F2
TEST(older_layout, lookup_there_and_back) {
    round_trip t(
        vn_op::lookup, [](auto& a) { a.lookup.name_bytes = 5; }, text("hello"));
    auto o = t.seen<older::lookup_args>();
    EXPECT_EQ(o.name_bytes, 5U);
    o.made = some_node(fresh);
    const msg::arguments& a = t.answered(o);
    EXPECT_EQ(a.lookup.name_bytes, 5U);
    expect_some_node(a.lookup.made, fresh);
    EXPECT_EQ(t.live_nodes(), 1U); // believed, and counted
}

// spec: F28 F2
TEST(older_layout, create_mknod_mkdir_symlink_tmpfile_there_and_back) {
    struct {
        vn_op op;
        std::uint32_t mode;
        std::string_view name, target;
    } const table[] = {{vn_op::create, regular, "file", ""},
                       {vn_op::mknod, S_IFIFO | 0600, "pipe", ""},
                       {vn_op::mkdir, S_IFDIR | 0755, "directory", ""},
                       {vn_op::symlink, S_IFLNK | 0777, "link", "/target"},
                       {vn_op::tmpfile, regular, "", ""}};
    for (const auto& row : table) {
        SCOPED_TRACE(msg::name_of(row.op));
        round_trip t(
            row.op,
            [&](auto& a) {
                a.make = {.name_bytes = static_cast<std::uint32_t>(row.name.size()),
                          .target_bytes = static_cast<std::uint32_t>(row.target.size()),
                          .mode = row.mode,
                          .umask = 022,
                          .rdev = 0x801,
                          .open_flags = 2,
                          .made = {}};
            },
            text(std::string(row.name) + std::string(row.target)));
        auto o = t.seen<older::make_args>();
        EXPECT_EQ(o.name_bytes, row.name.size());
        EXPECT_EQ(o.target_bytes, row.target.size());
        EXPECT_EQ(o.mode, row.mode);
        EXPECT_EQ(o.umask, 022U);
        EXPECT_EQ(o.rdev, 0x801U);
        EXPECT_EQ(o.open_flags, 2U);
        o.made = some_node(fresh, row.mode);
        const msg::arguments& a = t.answered(o);
        EXPECT_EQ(a.make.mode, row.mode);
        expect_some_node(a.make.made, fresh, row.mode);
        EXPECT_EQ(t.live_nodes(), 1U);
    }
}

// spec: F28 F2
TEST(older_layout, link_there_and_back) {
    round_trip t(
        vn_op::link,
        [](auto& a) {
            a.link.target = fresh;
            a.link.name_bytes = 4;
        },
        text("name"));
    auto o = t.seen<older::link_args>();
    EXPECT_EQ(o.target, static_cast<std::uint64_t>(fresh));
    EXPECT_EQ(o.name_bytes, 4U);
    o.made = some_node(fresh);
    expect_some_node(t.answered(o).link.made, fresh);
}

// spec: F28 F2
TEST(older_layout, getattr_there_and_back) {
    round_trip t(vn_op::getattr, [](auto& a) { a.getattr.handle = 0x1122334455667788; });
    auto o = t.seen<older::getattr_args>();
    EXPECT_EQ(o.handle, 0x1122334455667788U);
    o.va = some_attr();
    o.attr_ttl = 33;
    const msg::arguments& a = t.answered(o);
    expect_some_attr(a.getattr.va);
    EXPECT_EQ(a.getattr.attr_ttl.sec, 33U);
    EXPECT_EQ(a.getattr.handle, 0x1122334455667788U);
}

// spec: F28 F2
TEST(older_layout, setattr_there_and_back) {
    round_trip t(vn_op::setattr, [](auto& a) {
        a.setattr.handle = 9;
        a.setattr.valid = msg::set_size | msg::set_mtime;
        a.setattr.va.size = 4'294'967'295;
        a.setattr.va.mtime = {1'700'000'000, 5};
    });
    auto o = t.seen<older::setattr_args>();
    EXPECT_EQ(o.handle, 9U);
    EXPECT_EQ(o.valid, std::uint32_t{msg::set_size | msg::set_mtime});
    EXPECT_EQ(o.va.size, 4'294'967'295U);
    EXPECT_EQ(o.va.mtime, 1'700'000'000U);
    o.va = some_attr();
    o.attr_ttl = 33;
    const msg::arguments& a = t.answered(o);
    expect_some_attr(a.setattr.va);
    EXPECT_EQ(a.setattr.attr_ttl.sec, 33U);
    EXPECT_EQ(a.setattr.valid, std::uint32_t{msg::set_size | msg::set_mtime});
}

// The older frame ends before the current one would: the bytes behind it begin earlier.
// spec: F28 F2
TEST(older_layout, read_there_and_back_with_its_bytes) {
    constexpr std::size_t before_it_fits = whole - older::bytes_of<older::read_args>;
    for (const std::size_t carried :
         {std::size_t{0}, std::size_t{1}, before_it_fits, before_it_fits + 1, std::size_t{500}}) {
        SCOPED_TRACE(carried);
        round_trip t(
            vn_op::read,
            [](auto& a) {
                a.io.handle = 7;
                a.io.offset = 4'000'000'000;
                a.io.size = 500;
            },
            {}, 500);
        auto o = t.seen<older::read_args>();
        EXPECT_EQ(o.handle, 7U);
        EXPECT_EQ(o.offset, 4'000'000'000U);
        EXPECT_EQ(o.size, 500U);
        frame_bytes data(carried);
        for (std::size_t i = 0; i < carried; ++i)
            data[i] = static_cast<std::byte>(i * 7 + 1);
        o.done = static_cast<std::uint32_t>(carried);
        const msg::arguments& a = t.answered(o, data);
        EXPECT_EQ(a.io.done, carried);
        EXPECT_EQ(a.io.offset, 4'000'000'000U);
        EXPECT_TRUE(std::equal(data.begin(), data.end(), t.out.begin()));
        EXPECT_TRUE(std::all_of(t.out.begin() + static_cast<std::ptrdiff_t>(carried), t.out.end(),
                                [](std::byte b) { return b == std::byte{}; }));
    }
}

// The older frame is longer than the current one: the bytes behind it begin later.
// spec: F28 F2
TEST(older_layout, readlink_there_and_back_with_its_bytes) {
    round_trip t(
        vn_op::readlink, [](auto&) {}, {}, 100);
    auto o = t.seen<older::readlink_args>();
    const frame_bytes target = text("/somewhere/else");
    o.done = target.size();
    EXPECT_EQ(t.answered(o, target).readlink.done, target.size());
    EXPECT_TRUE(std::equal(target.begin(), target.end(), t.out.begin()));
}

// The older frame is longer than the current one.
// spec: F28 F2
TEST(older_layout, statvfs_there_and_back) {
    round_trip t(opclass::vfs, static_cast<std::uint32_t>(vfs_op::statvfs), [](auto&) {});
    auto o = t.seen<older::statvfs_args>();
    EXPECT_EQ(o.reserved[29], 0U);
    o = {1, 2, 3, 4, 5, 6, 7, 8, {}};
    o.reserved[29] = ~std::uint64_t{0};
    const msg::fs_stats& sb = t.answered(o).statvfs.sb;
    EXPECT_EQ(sb.blocks, 1U);
    EXPECT_EQ(sb.bavail, 3U);
    EXPECT_EQ(sb.ffree, 5U);
    EXPECT_EQ(sb.namemax, 8U);
    EXPECT_TRUE(std::ranges::equal(t.request().fixed.last(sizeof(std::uint64_t)),
                                   std::as_bytes(std::span(&o.reserved[29], 1))));
}

// spec: F28
TEST(older_layout, operations_without_a_difference_pass) {
    const frame_bytes data = text("data of a write");
    older_exchange x(vn_op::write, [&](park& p) {
        p.set_runs(data, {});
        p.req().args.io.size = static_cast<std::uint32_t>(data.size());
        p.req().args.io.offset = std::uint64_t{1} << 40;
    });
    EXPECT_EQ(static_cast<const void*>(x.request.fixed.data()),
              x.request.handle->req); // not even copied
    EXPECT_EQ(x.request.bytes.size(), whole + data.size());
    EXPECT_EQ(x.request.head().buflen, whole + data.size());
    auto args = x.request.args<msg::arguments>();
    EXPECT_EQ(args.io.offset, std::uint64_t{1} << 40);
    args.io.done = args.io.size;
    x.server.send(answer_to(x.request, args));
    EXPECT_EQ(x.asker.rv, 0);
    EXPECT_EQ(x.asker.request.args.io.done, data.size());
}

// spec: F28
TEST(older_layout, is_for_mounts_that_ask) {
    mount_rig rig;
    older_server server(rig);
    caller c;
    c.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), dir);
    });
    const auto w = server.take();
    ASSERT_TRUE(w);
    EXPECT_EQ(static_cast<const void*>(w->fixed.data()), w->handle->req);
    EXPECT_EQ(w->bytes.size(), whole);
    auto args = w->args<msg::arguments>();
    args.lookup.made.node = fresh;
    args.lookup.made.va.mode = regular;
    args.lookup.made.va.size = std::uint64_t{1} << 40;
    server.send(answer_to(*w, args));
    EXPECT_EQ(c.rv, 0);
    EXPECT_EQ(c.request.args.lookup.made.va.size, std::uint64_t{1} << 40);
}

// spec: F28 B34
TEST(older_layout, is_not_that_of_responses) {
    older_exchange x(vn_op::lookup);
    auto o = x.request.args<older::lookup_args>();
    o.made = some_node(dir, S_IFDIR); // its own parent: refused
    const frame_bytes frame = answer_to(x.request, o);
    x.server.send(frame);
    EXPECT_EQ(x.asker.rv, EPROTO);
    x.server.send(frame); // nobody waits
    ASSERT_EQ(x.server.answers.size(), 2U);
    for (const answer& a : x.server.answers) {
        EXPECT_EQ(a.request.head.buflen, whole);
        EXPECT_EQ(a.request.head.optype, static_cast<std::uint32_t>(vn_op::lookup));
    }
    EXPECT_EQ(x.server.answers[0].request.head.opclass,
              static_cast<std::uint32_t>(opclass::error) | msg::opclass_faf);
    EXPECT_EQ(x.server.answers[1].request.head.opclass,
              static_cast<std::uint32_t>(opclass::vn) | msg::opclass_faf | msg::opclass_isresponse);
    EXPECT_EQ(x.server.answers[1].request.head.id, x.request.head().id);
}

// spec: F28 F30
TEST(older_layout, has_its_own_length_where_frames_have_a_limit) {
    older_rig rig;
    older_server server(rig);
    const frame_bytes name = text("name");
    for (const vn_op op : {vn_op::lookup, vn_op::fsync}) {
        caller c;
        c.start(rig, 0, [&](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(op), dir);
            p.set_runs(name, {});
        });
        const std::size_t length =
            (op == vn_op::lookup ? older::bytes_of<older::lookup_args> : whole) + 4;
        rig.on([&] {
            EXPECT_EQ(errno_of(rig.mount.getout(length - 1, true)), E2BIG);
            EXPECT_EQ(rig.mount.waitcount(), 1U);
            const auto f = rig.mount.getout(length, true);
            ASSERT_TRUE(f);
            EXPECT_EQ(f->length, length);
            rig.mount.releaseout(*f->handle, ENXIO);
        });
        EXPECT_EQ(c.rv, ENXIO);
    }
}

// spec: F28 F38
TEST(older_layout, comes_back_from_any_core) {
    older_exchange x(
        vn_op::getattr, [](park&) {}, 2);
    auto o = x.request.args<older::getattr_args>();
    o.va = some_attr();
    x.server.send(answer_to(x.request, o), 1);
    EXPECT_EQ(x.asker.rv, 0);
    expect_some_attr(x.asker.request.args.getattr.va);
}

// spec: F28
TEST(older_layout_death, of_which_no_sense_can_be_made_panics) {
    using kmod::translated_operation;
    using kmod::wire_translation;
    const translated_operation good = older::rows[0];
    const auto with = [&](auto change) {
        translated_operation o = good;
        change(o);
        const translated_operation rows[] = {o};
        const wire_translation made{rows};
        static_cast<void>(made);
    };
    with([](auto&) {});
    EXPECT_DEATH(with([](auto& o) { o.opclass = opclass::flush; }), "no request");
    EXPECT_DEATH(with([](auto& o) { o.to_old = nullptr; }), "one way");
    EXPECT_DEATH(with([](auto& o) { o.to_new = nullptr; }), "one way");
    constexpr auto args_bytes = static_cast<std::ptrdiff_t>(whole - sizeof(msg::header));
    with([&](auto& o) { o.delta_bytes = -args_bytes; });
    EXPECT_DEATH(with([&](auto& o) { o.delta_bytes = -args_bytes - 1; }), "too long");
    EXPECT_DEATH(
        with([](auto& o) { o.delta_bytes = wire_translation::twin_bytes_max - whole + 1; }),
        "too long");
    const translated_operation twice[] = {good, good};
    EXPECT_DEATH(wire_translation{twice}, "two ways");
}

// spec: F28
TEST(older_layout_death, of_a_server_in_this_process_panics) {
    older_rig rig;
    EXPECT_DEATH(inproc_server{rig}, "not twins");
}

} // namespace
} // namespace puffs::test
