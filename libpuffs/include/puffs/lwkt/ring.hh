// lwkt/ring.hh - the io_uring of a core: its only place to sleep, and the door for everything
// asynchronous.
//
// A user embeds a ring_op in its own object, fills a submission entry, and gets its done function
// called on the core's loop when the completion arrives. Submission is deferred: all entries
// prepared in one turn go to the kernel with the core's next enter, together with the wait (one
// system call), unless submit() sends them before.
//
// Units:      entries: submission slots, power of two. When all are taken prepare() submits what is
//             there first.
// Ownership:  a ring_op belongs to its user and stays valid until its last completion was
//             delivered.
// Threading:  owner core only, but wake(): any thread.
// Blocks:     sleep() blocks the core; nothing else blocks.
// Errors:     create: enosys or eperm where the kernel refuses io_uring, with one log line that
//             says so.
// Source:     liburing 2.3, io_uring_enter(2), io_uring_setup(2); flags chosen by measurement
//             (tests/bench/floor_uring.cc).
#pragma once

#include "puffs/base/error.hh"
#include "puffs/lwkt/core.hh"

#include <cstdint>
#include <memory>

struct io_uring_sqe;

namespace puffs::lwkt {

struct ring_op {
    using function = void (*)(ring_op& op, int result, std::uint32_t cqe_flags);
    function done = nullptr;
};

struct ring_options {
    unsigned entries = 256;
    bool big_entries = false; // 128-byte submission entries, for FUSE over io_uring
};

class ring final : public event_source {
  public:
    static result<std::unique_ptr<ring>> create(const ring_options& o);
    ~ring() override;
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    // A cleared submission entry whose completion will call op.done. Never null.
    [[nodiscard]] io_uring_sqe& prepare(ring_op& op);
    // Asks the kernel to cancel `op`; its completion still comes.
    void cancel(ring_op& op);
    // Hands prepared entries to the kernel without waiting.
    void submit() noexcept;
    [[nodiscard]] unsigned prepared() const noexcept; // entries that the kernel has not seen yet
    // Registers a descriptor, so that the kernel need not look it up and count its users with each entry: the entry
    // names the slot and has IOSQE_FIXED_FILE. The ring holds the file open until drop_file() or its own end.
    // Returns: the slot. Errors: emfile when all kept_files_max are taken; what the kernel says. Blocks: the core, as
    // long as the kernel does; for set-up.
    static constexpr int kept_files_max = 16;
    result<int> keep_file(int fd) noexcept;
    void drop_file(int slot) noexcept;
    [[nodiscard]] unsigned in_flight() const noexcept; // completions still owed

    bool poll() noexcept override;
    void sleep(const instant* deadline) noexcept override;
    void wake() noexcept override;
    [[nodiscard]] ring* as_ring() noexcept override { return this; }

  private:
    ring();
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

} // namespace puffs::lwkt
