// memfs when the machine's memory ends: every allocation of every operation fails once, nothing is
// charged for what was not made, and the file system goes on.
#include "memfs/memfs.hh"
#include "puffs/server/make_operations.hh"
#include "unit/memfs/failing_memory.hh"
#include "unit/server/client.hh"

#include <functional>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace memfs {
namespace {

using puffs::msg::cookie;
using puffs::msg::vn_op;

constexpr cookie root = cookie::root;

// Which allocation of the next operation fails, and whether it came to that.
int nth_fails = -1;
bool came_to_it = false;

struct failing_here {
    failing_here() { fail_allocation(nth_fails); }
    ~failing_here() { came_to_it = nth_fails >= 0 && !stop_failing(); }
};

// An operation of memfs during which memory fails, and only then.
template <auto Slot, class = decltype(Slot)>
struct failing;
template <auto Slot, class R, class... Args>
struct failing<Slot, R (*puffs::operations::*)(void*, Args...)> {
    static inline R (*real)(void*, Args...) = nullptr;
    static R run(void* server, Args... args) {
        const failing_here here;
        return real(server, static_cast<Args&&>(args)...);
    }
};

class memory_test : public testing::Test {
  public:
    memory_test() {
        using puffs::operations;
        c.who = {.pid = 1, .uid = 0, .gid = 0};
        spdlog::set_level(spdlog::level::off); // of hundreds of exceptions
        let_fail<&operations::mknod>();
        let_fail<&operations::mkdir>();
        let_fail<&operations::symlink>();
        let_fail<&operations::link>();
        let_fail<&operations::rename>();
        let_fail<&operations::setextattr>();
        let_fail<&operations::write>();
        let_fail<&operations::fallocate>();
    }
    template <auto Slot>
    void let_fail() {
        failing<Slot>::real = ops.*Slot;
        ops.*Slot = &failing<Slot>::run;
    }

    // In units of the file system: exact only when many small things add up.
    std::uint64_t free_blocks() {
        EXPECT_EQ(c.vfs(puffs::msg::vfs_op::statvfs), 0);
        return c.req.args.statvfs.sb.bfree;
    }

    // Runs the operation with the first, second, ... allocation failing, each many times over, until it needs no more.
    // After each failure and `undo` the space is what it was.
    void exhaust(const std::function<int()>& operation, const std::function<void()>& undo) {
        constexpr int repeats = 200; // a leak of 50 bytes shows
        for (int nth = 0; nth < 100; ++nth) {
            const auto before = free_blocks();
            for (int i = 0; i < repeats; ++i) {
                nth_fails = nth;
                const int rv = operation();
                const bool failed = came_to_it;
                nth_fails = -1;
                undo();
                if (!failed) {
                    EXPECT_EQ(rv, 0) << "allocation " << nth;
                    EXPECT_GT(nth, 0) << "it allocates nothing";
                    return;
                }
                EXPECT_NE(rv, 0) << "allocation " << nth;
            }
            EXPECT_EQ(free_blocks(), before) << "allocation " << nth << " left a charge";
        }
        FAIL() << "more than 100 allocations";
    }

    cookie file(std::string_view called) {
        const auto made = c.make(vn_op::create, root, called, 0100644);
        EXPECT_TRUE(made);
        return made->node;
    }

    // Makes by `make`; undone by removing the name and letting go of the node.
    void exhaust_making(const std::function<puffs::result<puffs::msg::newinfo>()>& make,
                        bool directory) {
        cookie made = cookie::none;
        exhaust(
            [&] {
                const auto answer = make();
                made = answer ? answer->node : cookie::none;
                return answer ? 0 : 1;
            },
            [&] {
                directory ? c.rmdir(root, name) : c.remove(root, name);
                if (made != cookie::none) {
                    c.give_back(made, 1);
                }
            });
    }

    const std::string name = std::string(100, 'n'); // too long to be kept without an allocation
    const std::string other = std::string(200, 'o');
    puffs::server_arguments arguments{"memfs", "", {{"size", "64M"}}};
    memfs fs{arguments};
    puffs::operations ops = puffs::make_operations<memfs>();
    puffs::usermount um{&fs, ops, {}, 1};
    puffs::testing::client c{um};
};

TEST_F(memory_test, making_a_file) {
    exhaust_making([&] { return c.make(vn_op::create, root, name, 0100644); }, false);
}

TEST_F(memory_test, making_a_directory) {
    exhaust_making([&] { return c.make(vn_op::mkdir, root, name, 040755); }, true);
}

TEST_F(memory_test, making_a_symbolic_link) {
    const std::string target(1000, 't');
    exhaust_making([&] { return c.make(vn_op::symlink, root, name, 0120777, target); }, false);
}

TEST_F(memory_test, linking) {
    const cookie f = file("f");
    exhaust([&] { return c.link(root, f, name) ? 0 : 1; },
            [&] {
                if (c.remove(root, name) == 0) {
                    c.give_back(f, 1);
                }
            });
}

TEST_F(memory_test, renaming) {
    file(name);
    exhaust([&] { return c.rename(root, name, root, other); },
            [&] { c.rename(root, other, root, name); });
    EXPECT_TRUE(c.lookup(root, name));
}

TEST_F(memory_test, setting_an_attribute) {
    const cookie f = file("f");
    const std::string value(1000, 'v');
    exhaust([&] { return c.extattr(vn_op::setextattr, f, "user." + name, value) ? 0 : 1; },
            [&] { static_cast<void>(c.extattr(vn_op::deleteextattr, f, "user." + name)); });
}

TEST_F(memory_test, writing) {
    const cookie f = file("f");
    const std::string text(3000, 'x');
    exhaust([&] { return c.write(f, text, 200000) ? 0 : 1; },
            [&] { EXPECT_EQ(c.setattr(f, puffs::msg::set_size, {}), 0); });
}

TEST_F(memory_test, preallocating) {
    const cookie f = file("f");
    exhaust(
        [&] {
            c.req.args.fallocate = {.handle = 0, .offset = 1000, .length = 300000, .mode = 0};
            return c.run(vn_op::fallocate, f);
        },
        [&] { EXPECT_EQ(c.setattr(f, puffs::msg::set_size, {}), 0); });
}

} // namespace
} // namespace memfs
