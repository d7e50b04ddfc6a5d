#include "fuse/decode.hh"

#include "fuse/wire_file.hh"
#include "fuse/wire_init.hh"
#include "support/fuse/frames.hh"

#include <gtest/gtest.h>
#include <set>

namespace puffs::fuse {
namespace {

using namespace std::string_view_literals;
using test::decoded_of;
using test::decoded_of_parts;
using test::frame_builder;
using test::sample;
using wire::opcode;

constexpr session_limits session{};

std::string_view text_of(bytes raw) {
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

error refusal(const frame_builder& b, const session_limits& limits = session) {
    const std::vector<std::byte> frame = b.done();
    const result<decoded> d = decoded_of(frame, limits);
    EXPECT_FALSE(d) << "was accepted";
    return d ? error(ENOTRECOVERABLE) : d.error();
}

// INIT may be longer than this build knows, or shorter as older kernels send it; of what nobody knows no size is wrong.
bool any_size(const std::vector<std::byte>& frame) {
    const std::uint32_t op = header_of(frame)->opcode;
    return op == static_cast<std::uint32_t>(opcode::init) || row_of(op).tail == tail::opaque;
}

TEST(decode, every_opcode_has_a_sample_and_it_passes) {
    std::set<opcode> seen;
    for (const sample& s : test::samples()) {
        const result<decoded> d = decoded_of(s.frame, session);
        ASSERT_TRUE(d) << s.label << ": " << d.error().number();
        EXPECT_EQ(test::broken_promise(*d, s.frame, session), "") << s.label;
        EXPECT_EQ(d->unique(), test::sample_unique) << s.label;
        EXPECT_EQ(d->uid(), 1000U);
        EXPECT_EQ(d->gid(), 100U);
        EXPECT_EQ(d->thread_id(), 4242U);
        if (!d->unknown()) seen.insert(d->op());
    }
    EXPECT_EQ(seen.size(), op_rows().size());
}

TEST(decode, a_frame_cut_anywhere_is_refused) {
    for (const sample& s : test::samples()) {
        for (std::size_t length = 0; length < s.frame.size(); ++length) {
            std::vector<std::byte> cut(s.frame.begin(),
                                       s.frame.begin() + static_cast<std::ptrdiff_t>(length));
            EXPECT_FALSE(decoded_of(cut, session)) << s.label << " cut to " << length;
            test::fix_length(cut);
            if (length >= sizeof(wire::in_header) && any_size(s.frame)) continue;
            EXPECT_FALSE(decoded_of(cut, session)) << s.label << " shortened to " << length;
        }
    }
}

TEST(decode, a_frame_with_more_behind_it_is_refused) {
    for (const sample& s : test::samples()) {
        for (const std::size_t more : {1U, 8U, 4096U}) {
            std::vector<std::byte> longer = s.frame;
            longer.resize(longer.size() + more);
            EXPECT_EQ(decoded_of(longer, session).error(), error(EPROTO)) << s.label;
            test::fix_length(longer);
            if (any_size(s.frame)) continue;
            EXPECT_EQ(decoded_of(longer, session).error(), error(EPROTO)) << s.label;
        }
    }
}

TEST(decode, a_request_about_a_node_names_one) {
    for (const sample& s : test::samples()) {
        std::vector<std::byte> frame = s.frame;
        std::memset(frame.data() + offsetof(wire::in_header, nodeid), 0, sizeof(std::uint64_t));
        const bool needs_node = row_of(header_of(frame)->opcode).flags.node;
        EXPECT_EQ(decoded_of(frame, session).has_value(), !needs_node) << s.label;
    }
}

TEST(decode, names_are_checked) {
    const std::string long_name(256, 'n');
    for (const opcode op : {opcode::lookup, opcode::unlink, opcode::rmdir}) {
        EXPECT_EQ(refusal(frame_builder(op).add_string("")), error(EPROTO));
        EXPECT_EQ(refusal(frame_builder(op).add_string("a/b")), error(EPROTO));
        EXPECT_EQ(refusal(frame_builder(op).add_string("a").add_string("b")), error(EPROTO));
        EXPECT_EQ(refusal(frame_builder(op).add_string(long_name)), error(ENAMETOOLONG));
    }
    EXPECT_EQ(refusal(frame_builder(opcode::unlink).add_string("..")), error(EPROTO));
    EXPECT_EQ(refusal(frame_builder(opcode::mkdir).add(wire::mkdir_in{}).add_string(".")),
              error(EPROTO));
    const auto rename = [](std::string_view from, std::string_view onto) {
        return frame_builder(opcode::rename)
            .add(wire::rename_in{.newdir = 2})
            .add_string(from)
            .add_string(onto);
    };
    EXPECT_EQ(refusal(rename("a", "")), error(EPROTO));
    EXPECT_EQ(refusal(rename("", "b")), error(EPROTO));
    EXPECT_EQ(refusal(rename("a", "..")), error(EPROTO));
    EXPECT_EQ(refusal(rename("a", long_name)), error(ENAMETOOLONG));
}

TEST(decode, rename_and_symlink_have_two_strings) {
    const std::vector<std::byte> rename = frame_builder(opcode::rename2)
                                              .add(wire::rename2_in{9, 2, 0})
                                              .add_string("from")
                                              .add_string("onto")
                                              .done();
    result<decoded> d = decoded_of(rename, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->name, "from"sv);
    EXPECT_EQ(d->name2, "onto"sv);
    EXPECT_EQ(d->in<wire::rename2_in>().newdir, 9U);
    EXPECT_EQ(d->in<wire::rename2_in>().flags, 2U);

    const std::string longest(4095, 't');
    const std::vector<std::byte> symlink =
        frame_builder(opcode::symlink).add_string("l").add_string(longest).done();
    d = decoded_of(symlink, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->name2, longest);
    EXPECT_EQ(refusal(frame_builder(opcode::symlink).add_string("l").add_string(longest + 't')),
              error(ENAMETOOLONG));
    EXPECT_EQ(refusal(frame_builder(opcode::symlink).add_string("l").add_string("")),
              error(EPROTO));
}

TEST(decode, write_data_is_what_the_size_says_and_within_the_session) {
    wire::write_in write{};
    write.size = 4096;
    const std::string page(4096, 'd');
    const frame_builder good = frame_builder(opcode::write).add(write).add_text(page);
    const std::vector<std::byte> frame = good.done();
    const result<decoded> d = decoded_of(frame, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(text_of(d->data), page);
    session_limits small;
    small.max_write_bytes = 4095;
    EXPECT_EQ(refusal(good, small), error(EPROTO));
    write.size = 4095;
    EXPECT_EQ(refusal(frame_builder(opcode::write).add(write).add_text(page)), error(EPROTO));
    write.size = 0xffffffff;
    EXPECT_EQ(refusal(frame_builder(opcode::write).add(write).add_text(page)), error(EPROTO));
}

TEST(decode, reads_and_lists_ask_for_no_more_than_the_session_allows) {
    wire::read_in read{};
    read.size = 8192;
    session_limits small;
    small.max_read_bytes = 8191;
    small.max_readdir_bytes = 8192;
    EXPECT_EQ(refusal(frame_builder(opcode::read).add(read), small), error(EPROTO));
    EXPECT_TRUE(decoded_of(frame_builder(opcode::readdir).add(read).done(), small));
    small.max_readdir_bytes = 8191;
    EXPECT_EQ(refusal(frame_builder(opcode::readdir).add(read), small), error(EPROTO));
    EXPECT_EQ(refusal(frame_builder(opcode::readdirplus).add(read), small), error(EPROTO));
    const wire::getxattr_in list{.size = 65537, .padding = 0};
    EXPECT_EQ(refusal(frame_builder(opcode::listxattr).add(list)), error(EPROTO));
    EXPECT_EQ(refusal(frame_builder(opcode::getxattr).add(list).add_string("user.a")),
              error(EPROTO));
}

TEST(decode, setxattr_has_the_form_that_init_agreed_on) {
    const wire::setxattr_in set{.size = 3, .flags = 2, .setxattr_flags = 1, .padding = 0};
    const frame_builder extended =
        frame_builder(opcode::setxattr).add(set).add_string("user.a/b").add_text("val");
    session_limits ext;
    ext.setxattr_ext = true;
    const std::vector<std::byte> frame = extended.done();
    result<decoded> d = decoded_of(frame, ext);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->in<wire::setxattr_in>().setxattr_flags, 1U);
    EXPECT_EQ(d->name, "user.a/b"sv);
    EXPECT_EQ(text_of(d->data), "val"sv);
    EXPECT_EQ(refusal(extended), error(EPROTO)); // its second half is no name

    const std::vector<std::byte> compat = frame_builder(opcode::setxattr)
                                              .add(std::uint32_t{3})
                                              .add(std::uint32_t{2})
                                              .add_string("user.a")
                                              .add_text("val")
                                              .done();
    d = decoded_of(compat, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->in<wire::setxattr_in>().flags, 2U);
    EXPECT_EQ(d->in<wire::setxattr_in>().setxattr_flags, 0U); // not sent
    EXPECT_EQ(text_of(d->data), "val"sv);
    const auto with_value = [](std::uint32_t claimed, std::string_view name,
                               std::string_view value) {
        return frame_builder(opcode::setxattr)
            .add(claimed)
            .add(std::uint32_t{0})
            .add_string(name)
            .add_text(value);
    };
    EXPECT_EQ(refusal(with_value(2, "user.a", "val")), error(EPROTO));
    EXPECT_EQ(refusal(with_value(4, "user.a", "val")), error(EPROTO));
    EXPECT_EQ(refusal(with_value(3, "", "val")), error(EPROTO));
    EXPECT_EQ(refusal(with_value(3, std::string(256, 'x'), "val")), error(ENAMETOOLONG));
    EXPECT_EQ(refusal(with_value(65537, "user.a", std::string(65537, 'v'))), error(EPROTO));
}

TEST(decode, batch_forget_counts_its_records) {
    const auto batch = [](std::uint32_t count) {
        return frame_builder(opcode::batch_forget, 0)
            .add(wire::batch_forget_in{count, 0})
            .add(wire::forget_one{5, 1})
            .add(wire::forget_one{6, 4});
    };
    const std::vector<std::byte> frame = batch(2).done();
    const result<decoded> d = decoded_of(frame, session);
    ASSERT_TRUE(d);
    ASSERT_EQ(d->forget_count(), 2U);
    EXPECT_EQ(d->forget_at(1).nodeid, 6U);
    EXPECT_EQ(d->forget_at(1).nlookup, 4U);
    EXPECT_EQ(refusal(batch(1)), error(EPROTO));
    EXPECT_EQ(refusal(batch(3)), error(EPROTO));
    EXPECT_EQ(refusal(batch(0x10000002)), error(EPROTO)); // 16 times that wraps to 32 in 32 bits
}

TEST(decode, init_is_taken_in_its_older_and_its_future_form) {
    wire::init_in init{};
    init.major = 7;
    init.minor = 31;
    init.flags2 = 5;
    const bytes whole = std::as_bytes(std::span(&init, 1));
    const std::vector<std::byte> older =
        frame_builder(opcode::init, 0).add_bytes(whole.first(16)).done();
    result<decoded> d = decoded_of(older, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->in<wire::init_in>().minor, 31U);
    EXPECT_EQ(d->in<wire::init_in>().flags2, 0U);
    const std::vector<std::byte> future =
        frame_builder(opcode::init, 0).add(init).add_text("more than we know").done();
    d = decoded_of(future, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->in<wire::init_in>().flags2, 5U);
    EXPECT_EQ(refusal(frame_builder(opcode::init, 0).add_bytes(whole.first(15))), error(EPROTO));
}

TEST(decode, extensions_are_found_and_bounded) {
    constexpr std::array<std::uint32_t, 3> groups{10, 20, 30};
    const std::vector<std::byte> good = frame_builder(opcode::mkdir)
                                            .add(wire::mkdir_in{.mode = 0755, .umask = 0})
                                            .add_string("dir")
                                            .add_extensions("security.selinux", "context", groups)
                                            .done();
    result<decoded> d = decoded_of(good, session);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->name, "dir"sv);
    EXPECT_EQ(d->ext.security_count, 1U);
    EXPECT_NE(text_of(d->ext.security).find("security.selinux\0context"sv), std::string_view::npos);
    ASSERT_EQ(d->ext.groups.size(), sizeof(groups));
    EXPECT_EQ(std::memcmp(d->ext.groups.data(), groups.data(), sizeof(groups)), 0);

    session_limits older;
    older.minor = 37;
    EXPECT_FALSE(
        decoded_of(good, older)); // total_extlen is padding there, so these bytes are too many

    const std::size_t start = sizeof(wire::in_header) + sizeof(wire::mkdir_in) + 4;
    for (const std::uint32_t size : {0U, 7U, 0xfffffff8U, 0xffffffffU, 4096U}) {
        std::vector<std::byte> bad = good;
        std::memcpy(bad.data() + start, &size, sizeof(size));
        EXPECT_FALSE(decoded_of(bad, session)) << "extension of size " << size;
    }
    for (const std::uint16_t units : {std::uint16_t{0xffff}, std::uint16_t{1}}) {
        std::vector<std::byte> bad = good;
        std::memcpy(bad.data() + offsetof(wire::in_header, total_extlen), &units, sizeof(units));
        EXPECT_FALSE(decoded_of(bad, session)) << units << " units";
    }
}

TEST(decode, unknown_opcodes_are_no_error) {
    for (const std::uint32_t op : {0U, 7U, 19U, 54U, 4096U, 0xffffffffU}) {
        const std::vector<std::byte> frame = frame_builder(op, 0).add_text("anything").done();
        const result<decoded> d = decoded_of(frame, session);
        ASSERT_TRUE(d) << op;
        EXPECT_TRUE(d->unknown());
        EXPECT_EQ(d->row->name, "unknown");
        EXPECT_EQ(text_of(d->data), "anything"sv);
    }
}

TEST(decode, parts_that_lie_apart_decode_the_same) {
    for (const sample& s : test::samples()) {
        const wire::in_header header = *header_of(s.frame);
        const result<decoded> whole = decoded_of(s.frame, session);
        ASSERT_TRUE(whole);
        const bytes rest = bytes(s.frame).subspan(sizeof(header) + whole->fixed.size());
        std::array<std::byte, 128> area{}; // as of FUSE over io_uring, longer than the structure
        std::memcpy(area.data(), whole->fixed.data(), whole->fixed.size());
        const result<decoded> parts = decoded_of_parts(header, area, rest, session);
        ASSERT_TRUE(parts) << s.label;
        EXPECT_EQ(parts->row, whole->row);
        EXPECT_EQ(parts->name, whole->name);
        EXPECT_EQ(parts->name2, whole->name2);
        EXPECT_EQ(text_of(parts->data), text_of(whole->data));
        EXPECT_EQ(text_of(parts->fixed), text_of(whole->fixed)) << s.label;
        if (whole->row->fixed_bytes != 0) {
            EXPECT_FALSE(decoded_of_parts(header, bytes(area).first(whole->fixed.size() - 1), rest,
                                          session) &&
                         !any_size(s.frame))
                << s.label;
        }
    }
}

TEST(decode, the_header_of_a_refused_frame_can_be_answered) {
    const std::vector<std::byte> bad = frame_builder(opcode::unlink).add_text("no end").done();
    ASSERT_FALSE(decoded_of(bad, session));
    ASSERT_TRUE(header_of(bad));
    EXPECT_EQ(header_of(bad)->unique, test::sample_unique);
    EXPECT_FALSE(header_of(bytes(bad).first(sizeof(wire::in_header) - 1)));
}

TEST(decode_death, asking_for_another_structure_is_our_bug) {
    const std::vector<std::byte> frame = frame_builder(opcode::readlink).done();
    const result<decoded> d = decoded_of(frame, session);
    ASSERT_TRUE(d);
    EXPECT_DEATH(static_cast<void>(d->in<wire::read_in>()), "not the structure");
}

} // namespace
} // namespace puffs::fuse
