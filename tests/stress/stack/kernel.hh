// stress/stack/kernel.hh - what stands in for the kernel: requests on their way, one channel a core.
//
// A caller submits a request; a worker of the core reads it, as from a connection, and gives it to the operation map.
// The reply is copied out and the caller woken. Now and then a reply is refused, as the kernel does with one that is
// not fit.
//
// Ownership:  a request with a caller is its caller's; one without (INTERRUPT) belongs to the channel once submitted.
// Threading:  all of a channel on its core, but replies(), which any thread reads.
// Errors:     a broken promise becomes a finding: a request answered twice, or on another core, or a reply that nobody
//             asked for.
#pragma once

#include "fuse/opmap.hh"
#include "puffs/lwkt/core.hh"

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace puffs::stress {

// What is wrong. Any thread.
class findings {
  public:
    void add(const std::string& what);
    [[nodiscard]] bool any() const;
    [[nodiscard]] std::string text() const;

  private:
    static constexpr std::size_t kept_max = 20;
    mutable std::mutex mu_;
    std::string text_;
    std::size_t count_ = 0;
};

// What a caller is told. Of a refused reply: what the server did, though the caller hears of EIO only.
struct answer {
    int error = 0;
    bool refused = false;
    bool interrupted = false; // somebody sent an INTERRUPT for it
    std::vector<std::byte> body;

    template <fuse::wire::Plain T>
    [[nodiscard]] T as(std::size_t at = 0) const {
        T value{};
        if (at + sizeof(T) <= body.size()) std::memcpy(&value, body.data() + at, sizeof(T));
        return value;
    }
};

// A request of a caller. Its memory is its own and new, so that the address sanitizer sees who writes late.
struct asked : fuse::frame {
    enum class stage : std::uint8_t { made, queued, read, over };
    static constexpr std::size_t room_bytes = 16 * 1024;

    explicit asked(const std::vector<std::byte>& bytes_of_request);

    const fuse::wire::in_header header;
    const bool wants_reply;
    std::vector<std::byte> memory;
    alignas(8) std::array<std::byte, fixed_bytes_max> fixed_room{};
    lwkt::thread* caller = nullptr;                 // or, where nobody waits:
    std::atomic<std::uint64_t>* out = nullptr;      // counts those that have not come back
    std::atomic<std::uint64_t>* readable = nullptr; // gets the unique once it has been read
    answer told;
    std::atomic<stage> at{stage::made}; // relaxed: the core writes, the watchdog reads
};

class kernel_channel final : public fuse::channel, public lwkt::ingress {
  public:
    kernel_channel(fuse::opmap& map, findings& f, core_id core, std::uint64_t seed)
        : map_(map), findings_(f), core_(core), random_(seed) {}

    void attach();
    [[nodiscard]] bool attached() const { return attached_; }
    // submit - the request waits to be read. On the channel's core.
    void submit(asked& r);
    [[nodiscard]] std::uint64_t replies() const {
        return stats().replies.load(std::memory_order_relaxed);
    }

    // ingress
    [[nodiscard]] bool ready() noexcept override { return !queue_.empty(); }
    void run_one() noexcept override;
    // fuse::channel
    void reply(fuse::frame& f) noexcept override;
    void drop(fuse::frame& f) noexcept override;

  private:
    static constexpr unsigned one_refused_in = 256;
    void come_back(asked& r);
    void check(bool ok, const asked& r, const char* what);

    fuse::opmap& map_;
    findings& findings_;
    const core_id core_;

    // owned by the core
    std::deque<asked*> queue_;
    std::mt19937_64 random_;
    bool attached_ = false;
};

} // namespace puffs::stress
