// The lines of -d.
#include "call.hh"
#include "puffs/base/log.hh"

#include <algorithm>

namespace puffs {

namespace {

// How many bytes of `in` are the name that the operation is about.
std::size_t name_bytes(const msg::request& req) {
    if (static_cast<msg::opclass>(req.head.opclass & msg::opclass_mask) != msg::opclass::vn) {
        return 0;
    }
    switch (static_cast<msg::vn_op>(req.head.optype)) {
    case msg::vn_op::lookup:
        return req.args.lookup.name_bytes;
    case msg::vn_op::create:
    case msg::vn_op::mknod:
    case msg::vn_op::mkdir:
    case msg::vn_op::symlink:
        return req.args.make.name_bytes;
    case msg::vn_op::link:
        return req.args.link.name_bytes;
    case msg::vn_op::remove:
    case msg::vn_op::rmdir:
        return req.args.remove.name_bytes;
    case msg::vn_op::rename:
        return req.args.rename.name_bytes;
    case msg::vn_op::getextattr:
    case msg::vn_op::setextattr:
    case msg::vn_op::deleteextattr:
        return req.args.extattr.name_bytes;
    case msg::vn_op::open:
    case msg::vn_op::close:
    case msg::vn_op::access:
    case msg::vn_op::getattr:
    case msg::vn_op::setattr:
    case msg::vn_op::read:
    case msg::vn_op::write:
    case msg::vn_op::fsync:
    case msg::vn_op::seek:
    case msg::vn_op::readdir:
    case msg::vn_op::readlink:
    case msg::vn_op::reclaim:
    case msg::vn_op::inactive:
    case msg::vn_op::pathconf:
    case msg::vn_op::advlock:
    case msg::vn_op::poll:
    case msg::vn_op::mmap:
    case msg::vn_op::abortop:
    case msg::vn_op::listextattr:
    case msg::vn_op::fallocate:
    case msg::vn_op::fdiscard:
    case msg::vn_op::copy_range:
    case msg::vn_op::ioctl:
    case msg::vn_op::tmpfile:
    case msg::vn_op::count_:
        break;
    }
    return 0;
}

std::string name_of(const msg::request& req, const msg::payload& data) {
    const auto count = std::min({name_bytes(req), data.in.size(), limits::name_bytes});
    return printable({reinterpret_cast<const char*>(data.in.data()), count});
}

} // namespace

void trace_request(const msg::request& req, const msg::payload& data) {
    const std::string name = name_of(req, data);
    PUFFS_LOG(info, "-> {:#x} {} node {}.{}{}{}{} pid {} uid {} gid {}", req.head.id,
              msg::name_of(req.head), msg::slot_of(req.head.node),
              msg::generation_of(req.head.node), name.empty() ? "" : " '", name,
              name.empty() ? "" : "'", req.head.who.pid, req.head.who.uid, req.head.who.gid);
}

void trace_reply(const msg::request& req, std::size_t out_bytes, std::chrono::nanoseconds took) {
    const auto failed = error::from_peer(req.head.rv);
    PUFFS_LOG(info, "<- {:#x} {} {} {} bytes {} us", req.head.id, msg::name_of(req.head),
              failed ? failed->name() : "ok", out_bytes, took.count() / 1000);
}

} // namespace puffs
