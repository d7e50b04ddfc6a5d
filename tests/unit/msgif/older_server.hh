// unit/msgif/older_server.hh - a transport to a server that speaks tests/unit/msgif/older_layout.hh: frames as bytes.
#pragma once

#include "support/msgif/mount_rig.hh"
#include "unit/msgif/older_layout.hh"

namespace puffs::test {

using frame_bytes = std::vector<std::byte>;

template <class T>
void append(frame_bytes& to, const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    to.insert(to.end(), bytes.begin(), bytes.end());
}

// A request as the server reads it.
struct wire_request {
    frame_bytes bytes;
    std::span<const std::byte> fixed; // where the mount keeps it
    msg::delivery* handle = nullptr;

    [[nodiscard]] msg::header head() const { return older::read_from<msg::header>(bytes); }
    template <class Args>
    [[nodiscard]] Args args() const {
        return older::read_from<Args>(std::span(bytes).subspan(sizeof(msg::header)));
    }
    [[nodiscard]] frame_bytes in() const {
        return {bytes.begin() + static_cast<std::ptrdiff_t>(fixed.size()), bytes.end()};
    }
};

// The frame of an answer to `w` with these arguments, and bytes behind them.
template <class Args>
frame_bytes answer_to(const wire_request& w, const Args& args, const frame_bytes& out = {},
                      int rv = 0) {
    frame_bytes frame;
    msg::header head = w.head();
    head.rv = rv;
    append(frame, head);
    append(frame, args);
    frame.insert(frame.end(), out.begin(), out.end());
    return frame;
}

class older_server final : public kmod::transport {
  public:
    explicit older_server(mount_rig& r) : rig_(r) { r.mount.attach(*this); }
    ~older_server() override { rig_.mount.detach(); }

    std::optional<wire_request> take(core_id core = 0, int status = 0) {
        std::optional<wire_request> w;
        rig_.on(core, [&] {
            auto f = rig_.mount.getout(std::size_t{1} << 30, true);
            if (!f) {
                return;
            }
            w.emplace();
            w->bytes.assign(f->fixed.begin(), f->fixed.end());
            const auto in = f->handle->data.in;
            w->bytes.insert(w->bytes.end(), in.begin(), in.end());
            w->fixed = f->fixed;
            w->handle = f->handle;
            EXPECT_EQ(w->bytes.size(), f->length);
            rig_.mount.releaseout(*f->handle, status);
        });
        return w;
    }
    // Sends a frame, cut as a transport cuts it. `lost`: bytes at its end that do not come.
    void send(const frame_bytes& frame, core_id from = 0, std::size_t lost = 0) {
        msg::request r;
        std::memset(static_cast<void*>(&r), 0xa5, sizeof r); // whatever was there
        const std::size_t front = std::min(frame.size(), sizeof r);
        std::memcpy(static_cast<void*>(&r), frame.data(), front);
        const frame_bytes rest(frame.begin() + static_cast<std::ptrdiff_t>(front),
                               frame.end() - static_cast<std::ptrdiff_t>(lost));
        rig_.on(from, [&] { rig_.mount.dispatch(r, rest, frame.size()); });
    }
    void notify(core_id) override {}
    void respond(const msg::request& r, std::string_view text) override {
        answers.push_back({r, std::string(text)});
    }
    std::vector<answer> answers;

  private:
    mount_rig& rig_;
};

// A mount whose server speaks the older layout.
struct older_rig : mount_rig {
    explicit older_rig(core_id cores = 1, mount_status status = mount_status::running)
        : mount_rig(cores, status, &older::layout) {}
};

constexpr auto dir = msg::make_cookie(2, 0);   // whom every question is about
constexpr auto fresh = msg::make_cookie(4, 0); // who is found or made

// What one caller asks, as the server has it; on a mount of its own.
struct older_exchange {
    using set_up = std::function<void(park&)>;
    older_exchange(
        opclass c, std::uint32_t type, const set_up& more = [](park&) {}, core_id cores = 1)
        : rig(cores) {
        asker.start(rig, 0, [&](park& p) {
            p.setinfo(c, type, dir);
            more(p);
        });
        auto taken = server.take();
        EXPECT_TRUE(taken);
        if (taken) request = std::move(*taken);
    }
    explicit older_exchange(
        vn_op op, const set_up& more = [](park&) {}, core_id cores = 1)
        : older_exchange(opclass::vn, static_cast<std::uint32_t>(op), more, cores) {}

    older_rig rig;
    older_server server{rig};
    caller asker;
    wire_request request;
};

// An attribute that both layouts can say, and the same in the older one.
constexpr std::uint32_t regular = 0100644;
inline older::attr some_attr(std::uint32_t mode = regular) {
    return {77, 4'000'000'000, 7'812'500, 11, 12, 4'000'000'013, mode, 2, 1000, 100, 5};
}
inline older::newinfo some_node(cookie c, std::uint32_t mode = regular) {
    return {static_cast<std::uint64_t>(c), 21, 22, some_attr(mode)};
}
inline void expect_some_attr(const msg::attr& va, std::uint32_t mode = regular) {
    EXPECT_EQ(va.ino, 77U);
    EXPECT_EQ(va.size, 4'000'000'000U);
    EXPECT_EQ(va.blocks, 7'812'500U);
    EXPECT_EQ(va.atime, (msg::time_point{11, 0}));
    EXPECT_EQ(va.mtime, (msg::time_point{12, 0}));
    EXPECT_EQ(va.ctime, (msg::time_point{4'000'000'013, 0}));
    EXPECT_EQ(va.mode, mode);
    EXPECT_EQ(va.nlink, 2U);
    EXPECT_EQ(va.uid, 1000U);
    EXPECT_EQ(va.gid, 100U);
    EXPECT_EQ(va.rdev, 5U);
    EXPECT_EQ(va.blksize, 4096U); // which the older layout does not have
}
inline void expect_some_node(const msg::newinfo& made, cookie c, std::uint32_t mode = regular) {
    EXPECT_EQ(made.node, c);
    EXPECT_EQ(made.entry_ttl.sec, 21U);
    EXPECT_EQ(made.attr_ttl.sec, 22U);
    expect_some_attr(made.va, mode);
}

} // namespace puffs::test
