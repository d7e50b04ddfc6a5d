#include "puffs/lwkt/stack.hh"

#include "support/lwkt/rig.hh"

#include <exception>
#include <stdexcept>

namespace puffs {
namespace {

using lwkt::stack;
using test::rig;

TEST(stack, is_rounded_up_to_pages_and_writable_to_both_ends) {
    stack s;
    ASSERT_TRUE(s.map(5000));
    EXPECT_EQ(s.bytes(), 8192U);
    *s.base() = std::byte{1};
    *(s.top() - 1) = std::byte{2};
    s.unmap();
    EXPECT_FALSE(s.mapped());
}

TEST(stack, that_cannot_be_mapped_is_enomem) {
    stack s;
    for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX / 4, std::size_t{0}}) {
        const auto r = s.map(bytes);
        ASSERT_FALSE(r.has_value());
        EXPECT_EQ(r.error(), error(ENOMEM));
        EXPECT_FALSE(s.mapped());
    }
}

// spec: T2
TEST(stack_death, the_page_below_a_stack_is_a_guard) {
    stack s;
    ASSERT_TRUE(s.map(4096));
    EXPECT_DEATH(*const_cast<volatile std::byte*>(s.base() - 1) = std::byte{1}, "");
}

// spec: T2
TEST(stack, threads_that_switch_inside_catch_keep_their_own_exceptions) {
    rig r(1);
    std::string seen;
    for (const char name : {'A', 'B'}) {
        r.spawn(0, [&seen, name] {
            try {
                throw std::runtime_error(std::string(1, name));
            } catch (...) {
                lwkt::yield();
                try {
                    throw;
                } catch (const std::runtime_error& e) {
                    seen += e.what();
                }
                lwkt::yield();
                try {
                    std::rethrow_exception(std::current_exception());
                } catch (const std::runtime_error& e) {
                    seen += e.what();
                }
            }
        });
    }
    r.settle();
    EXPECT_EQ(seen, "ABAB");
    EXPECT_EQ(std::current_exception(), nullptr);
}

// spec: T2
TEST(stack, a_thread_that_switches_while_it_unwinds_does_not_make_others_unwind) {
    struct switcher {
        ~switcher() {
            EXPECT_EQ(std::uncaught_exceptions(), 1);
            lwkt::yield();
            EXPECT_EQ(std::uncaught_exceptions(), 1);
        }
    };
    rig r(1);
    int caught = 0;
    r.spawn(0, [&] {
        try {
            const switcher s;
            throw 1;
        } catch (int thrown) {
            caught = thrown;
        }
    });
    int seen = -1;
    r.spawn(0, [&] { seen = std::uncaught_exceptions(); });
    r.settle();
    EXPECT_EQ(seen, 0);
    EXPECT_EQ(caught, 1);
}

} // namespace
} // namespace puffs
