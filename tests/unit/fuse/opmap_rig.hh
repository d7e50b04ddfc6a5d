// unit/fuse/opmap_rig.hh - the operation map between a channel that remembers and a server that the test plays by hand.
#pragma once

#include "fuse/opmap.hh"
#include "fuse/wire_file.hh"
#include "fuse/wire_init.hh"
#include "fuse/wire_node.hh"
#include "support/fuse/frames.hh"
#include "support/msgif/mount_rig.hh"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace puffs::fuse::test {

// What a channel was told about one request.
struct told {
    std::uint64_t unique = 0;
    bool dropped = false;
    int error = 0;
    std::vector<std::byte> body; // behind the out_header

    template <wire::Plain T>
    [[nodiscard]] T as(std::size_t at = 0) const {
        T value{};
        EXPECT_LE(at + sizeof(T), body.size()) << "the reply is too short";
        if (at + sizeof(T) <= body.size()) std::memcpy(&value, body.data() + at, sizeof(T));
        return value;
    }
    [[nodiscard]] std::string_view text(std::size_t at = 0) const {
        return {reinterpret_cast<const char*>(body.data()) + at, body.size() - at};
    }
};

// Gives frames as a real channel does: a request in front, room for data behind its first page.
class remembering_channel final : public channel {
  public:
    static constexpr std::size_t page_bytes = 4096;
    static constexpr std::size_t room_bytes = 256 * 1024;

    struct test_frame : frame {
        std::vector<std::byte> memory = std::vector<std::byte>(page_bytes + room_bytes);
        alignas(8) std::array<std::byte, fixed_bytes_max> fixed_room{};
    };

    frame& give(bytes request) {
        frames_.push_back(std::make_unique<test_frame>());
        test_frame& f = *frames_.back();
        std::copy(request.begin(), request.end(), f.memory.begin());
        f.origin = this;
        f.request = std::span(f.memory).first(request.size());
        f.payload = std::span(f.memory).subspan(page_bytes);
        f.fixed = f.fixed_room;
        ++out_;
        return f;
    }
    // Refuses replies, as the kernel does when the connection was aborted, and tells the map.
    opmap* refuses_for = nullptr;

    void reply(frame& f) noexcept override {
        if (refuses_for != nullptr) {
            refuses_for->take_back(f);
        }
        told t{.unique = f.op.header.unique, .dropped = false, .error = f.error, .body = {}};
        if (f.error == 0) {
            EXPECT_TRUE(f.fixed_bytes == 0 || f.payload_bytes == 0) << "no reply has both";
            const bytes fixed = f.fixed.first(f.fixed_bytes);
            const bytes data = f.payload.first(f.payload_bytes);
            t.body.assign(fixed.begin(), fixed.end());
            t.body.insert(t.body.end(), data.begin(), data.end());
        } else {
            EXPECT_EQ(f.fixed_bytes + f.payload_bytes, 0U);
        }
        come_back(f, std::move(t));
    }
    void drop(frame& f) noexcept override {
        come_back(f, {.unique = 0, .dropped = true, .error = 0, .body = {}});
    }

    std::vector<told> all;
    [[nodiscard]] std::size_t out() const { return out_; }

  private:
    void come_back(frame& f, told t) {
        all.push_back(std::move(t));
        --out_;
        const auto at = std::find_if(frames_.begin(), frames_.end(),
                                     [&f](const auto& mine) { return mine.get() == &f; });
        ASSERT_NE(at, frames_.end()) << "a frame came back twice";
        frames_.erase(at);
    }
    std::vector<std::unique_ptr<test_frame>> frames_;
    std::size_t out_ = 0;
};

// The opcode of a puffs request, and who its server is, in short.
inline msg::vn_op op_of(const puffs::test::taken& t) {
    EXPECT_EQ(t.request.head.opclass & msg::opclass_mask,
              static_cast<std::uint32_t>(msg::opclass::vn));
    return static_cast<msg::vn_op>(t.request.head.optype);
}
inline bool is_faf(const puffs::test::taken& t) {
    return (t.request.head.opclass & msg::opclass_faf) != 0;
}
inline std::string_view in_of(const puffs::test::taken& t) {
    const bytes in = t.handle->data.in;
    return {reinterpret_cast<const char*>(in.data()), in.size()};
}

class opmap_rig {
  public:
    explicit opmap_rig(puffs::test::transport_kind kind = puffs::test::transport_kind::frames,
                       core_id cores = 1)
        : mount(cores), server(puffs::test::make_server(kind, mount)),
          map(mount.mount, {},
              [this](const auto& granted) { inits.push_back(granted.has_value()); }) {
        handle(frame_builder(wire::opcode::init, 0)
                   .add(wire::init_in{.major = 7,
                                      .minor = 45,
                                      .max_readahead = 131072,
                                      .flags = 0xffffffff,
                                      .flags2 = 0xffffffff,
                                      .unused = {}})
                   .done());
        EXPECT_EQ(channel.all.back().error, 0);
        channel.all.clear();
    }
    ~opmap_rig() { EXPECT_EQ(channel.out(), 0U) << "frames did not come back"; }
    opmap_rig(const opmap_rig&) = delete;
    opmap_rig& operator=(const opmap_rig&) = delete;

    void handle(const std::vector<std::byte>& request, core_id core = 0) {
        frame& f = channel.give(request);
        mount.on(core, [this, &f] { map.handle(f); });
    }
    void handle(const frame_builder& b, core_id core = 0) { handle(b.done(), core); }

    // The next request that the server gets; fails the test when there is none.
    puffs::test::taken take(core_id core = 0) {
        auto t = server->take(core);
        EXPECT_TRUE(t.has_value()) << "the server got no request";
        return t.value_or(puffs::test::taken{});
    }
    bool server_is_idle(core_id core = 0) { return !server->take(core).has_value(); }

    void reply(const puffs::test::taken& t, std::string_view out = {}) {
        server->reply(t, t.core, t.request, std::as_bytes(std::span(out.data(), out.size())));
    }
    void fail(puffs::test::taken t, int rv) {
        t.request.head.rv = rv;
        reply(t);
    }
    // The only thing that the channel has been told since the last call.
    told only() {
        EXPECT_EQ(channel.all.size(), 1U);
        told t = channel.all.empty() ? told{} : std::move(channel.all.front());
        channel.all.clear();
        return t;
    }
    // Makes `node` live, as if a lookup had named it.
    void look_up(msg::cookie node, std::uint32_t mode = 0100644) {
        handle(frame_builder(wire::opcode::lookup, wire::root_id).add_string("x"));
        puffs::test::taken t = take();
        t.request.args.lookup.made.node = node;
        t.request.args.lookup.made.va.mode = mode;
        reply(t);
        EXPECT_EQ(only().error, 0);
    }

    puffs::test::mount_rig mount;
    std::unique_ptr<puffs::test::test_server> server;
    remembering_channel channel;
    std::vector<bool> inits;
    opmap map;
};

} // namespace puffs::fuse::test
