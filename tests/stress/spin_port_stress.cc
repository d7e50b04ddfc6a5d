// One spin port, eight getters, four putters, all ordinary threads: no message is lost or doubled,
// and every reply comes back to its sender.
#include "puffs/msgport/spin_port.hh"

#include "support/seed.hh"

#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <vector>

namespace {

using puffs::sleep_flags;
using puffs::msgport::msg;
using puffs::msgport::spin_port;

constexpr unsigned getters = 8;
constexpr unsigned putters = 4;
constexpr int sends_per_putter = 5000;
constexpr int batch = 8;

struct work : msg {
    std::atomic<int> served{0}; // since the last send
    bool last = false;
};

void serve(spin_port& requests, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (bool last = false; !last;) {
        msg* m = random() % 4 == 0 ? requests.getport() : nullptr;
        if (m == nullptr) {
            m = requests.waitport(sleep_flags::none);
        }
        auto& w = static_cast<work&>(*m);
        EXPECT_EQ(w.served.fetch_add(1, std::memory_order_relaxed), 0);
        last = w.last;
        w.result.u64 = w.result.u64 * 2 + 1;
        puffs::msgport::replymsg(w, 0);
    }
}

void check_reply(work& w, std::uint64_t sent) {
    EXPECT_EQ(w.served.exchange(0, std::memory_order_relaxed), 1);
    EXPECT_EQ(w.result.u64, sent * 2 + 1);
}

void send(spin_port& requests, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    spin_port replies("replies");
    work w[batch];
    for (work& one : w) {
        one.init(replies);
    }
    for (int i = 0; i < sends_per_putter;) {
        if (random() % 2 == 0) { // one at a time, waiting on the message
            w[0].result.u64 = random() >> 1;
            const std::uint64_t sent = w[0].result.u64;
            EXPECT_EQ(puffs::msgport::domsg(requests, w[0]), 0);
            check_reply(w[0], sent);
            ++i;
            continue;
        }
        std::uint64_t sent[batch];
        for (int b = 0; b < batch; ++b) {
            sent[b] = w[b].result.u64 = random() >> 1;
            puffs::msgport::sendmsg(requests, w[b]);
        }
        // Half of them by waiting for the message, the rest from the queue.
        for (int b = 0; b < batch / 2; ++b) {
            EXPECT_EQ(puffs::msgport::waitmsg(w[b]), 0);
            check_reply(w[b], sent[b]);
        }
        for (int b = batch / 2; b < batch; ++b) {
            auto* const one = static_cast<work*>(replies.waitport(sleep_flags::none));
            check_reply(*one, sent[one - w]);
        }
        i += batch;
    }
    EXPECT_EQ(replies.getport(), nullptr);
}

// spec: D5
TEST(spin_port_stress, no_message_is_lost_or_doubled_with_eight_getters) {
    const std::uint64_t seed = puffs::sim::test_seed();
    spin_port requests("requests");
    std::vector<std::thread> servers;
    for (unsigned g = 0; g < getters; ++g) {
        servers.emplace_back([&, g] { serve(requests, seed + g); });
    }
    std::vector<std::thread> senders;
    for (unsigned p = 0; p < putters; ++p) {
        senders.emplace_back([&, p] { send(requests, seed + 100 + p); });
    }
    for (std::thread& t : senders) {
        t.join();
    }
    EXPECT_EQ(requests.getport(), nullptr);
    spin_port replies("last replies");
    for (unsigned g = 0; g < getters; ++g) { // each ends the getter that takes it
        work end;
        end.init(replies);
        end.last = true;
        EXPECT_EQ(puffs::msgport::domsg(requests, end), 0);
    }
    for (std::thread& t : servers) {
        t.join();
    }
}

} // namespace
