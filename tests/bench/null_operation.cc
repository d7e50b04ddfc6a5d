#include "null_operation.hh"

#include "fuse/opmap.hh"
#include "fuse/wire_node.hh"
#include "puffs/base/assert.hh"
#include "puffs/kmod/msgif.hh"
#include "puffs/server/make_operations.hh"
#include "puffs/server/usermount.hh"

#include <array>
#include <cstring>
#include <vector>

namespace puffs::bench {
namespace {

struct null_server {
    result<attr> getattr(cc&, node& n) {
        attr va;
        va.ino = n.id();
        va.mode = msg::mode_of(n.type()) | 0755;
        return va;
    }
};

constexpr operations null_operations = make_operations<null_server>();

// Takes replies and forgets them.
class no_channel final : public fuse::channel {
  public:
    void reply(fuse::frame& f) noexcept override {
        replied = true;
        error = f.error;
        f.error = 0;
        f.fixed_bytes = 0;
        f.payload_bytes = 0;
    }
    void drop(fuse::frame&) noexcept override { replied = false; }

    bool replied = false;
    int error = 0;
};

template <class Arguments>
std::size_t put_request(std::span<std::byte> out, fuse::wire::opcode op, const Arguments& args) {
    fuse::wire::in_header head{};
    head.len = sizeof head + sizeof args;
    head.opcode = static_cast<std::uint32_t>(op);
    head.unique = 2;
    head.nodeid = static_cast<std::uint64_t>(msg::cookie::root);
    std::memcpy(out.data(), &head, sizeof head);
    std::memcpy(out.data() + sizeof head, &args, sizeof args);
    return head.len;
}

fuse::wire::init_in linux_init() {
    fuse::wire::init_in in{};
    in.major = 7;
    in.minor = 45;
    in.max_readahead = 128 * 1024;
    in.flags = ~0U;
    in.flags2 = 0;
    return in;
}

} // namespace

struct null_operation::stack_of_layers {
    explicit stack_of_layers(one_core& core)
        : mount(core.domain()), library(&server, null_operations, usermount_options{}, 1),
          transport(mount, {&library.port(0)}),
          map(mount, fuse::init_options{}, [this](const auto& granted) {
              PUFFS_ASSERT(granted.has_value(), "INIT was refused");
              mount.set_running();
          }) {}

    void ask(fuse::wire::opcode op, const auto& args) {
        frame.origin = &channel;
        frame.request = std::span(buffer).first(put_request(buffer, op, args));
        frame.payload = payload;
        frame.fixed = fixed;
        channel.replied = false;
        map.handle(frame);
        PUFFS_ASSERT(channel.replied && channel.error == 0, "the null operation failed");
    }

    null_server server;
    kmod::puffs_mount mount;
    usermount library;
    kmod::inproc_transport transport;
    fuse::opmap map;
    no_channel channel;
    fuse::frame frame;
    alignas(8) std::array<std::byte, 256> buffer{};
    std::array<std::byte, 4096> payload{};
    alignas(8) std::array<std::byte, fuse::frame::fixed_bytes_max> fixed{};
};

null_operation::null_operation(bool timed) {
    core_.run([this, timed] {
        layers_ = std::make_unique<stack_of_layers>(core_);
        if (timed) layers_->mount.keep_times();
        PUFFS_ASSERT(layers_->library.start().has_value(), "the null server did not start");
        layers_->mount.set_mounting();
        layers_->ask(fuse::wire::opcode::init, linux_init());
    });
}

null_operation::~null_operation() {
    core_.run([this] {
        layers_->mount.userdead();
        layers_->library.finish(true);
        layers_.reset();
    });
}

void null_operation::through_parks() {
    kmod::puffs_mount& mount = layers_->mount;
    kmod::park* p = mount.msgmem_alloc(false);
    PUFFS_ASSERT(p != nullptr, "no free park");
    p->setinfo(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::getattr),
               msg::cookie::root);
    p->set_runs({}, {});
    mount.enqueue(*p, msg::caller{});
    const int rv = mount.wait(*p);
    PUFFS_ASSERT(rv == 0, "the null operation failed");
    mount.msgmem_release(p);
}

void null_operation::through_fuse() {
    layers_->ask(fuse::wire::opcode::getattr, fuse::wire::getattr_in{});
}

} // namespace puffs::bench
