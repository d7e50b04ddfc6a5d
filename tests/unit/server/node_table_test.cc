#include "node_table.hh"

#include "support/race_watch.hh"

#include <gtest/gtest.h>
#include <map>
#include <thread>

namespace puffs {
namespace {

struct node_table_test : ::testing::Test {
    node_table_test() : table(make(100)) {}
    std::unique_ptr<node_table> make(std::uint32_t nodes_max) {
        return std::make_unique<node_table>(
            1, nodes_max,
            [](void* self, node& n) noexcept {
                auto* t = static_cast<node_table_test*>(self);
                ++t->reclaimed[n.id()];
                if (t->during_reclaim) {
                    t->during_reclaim(n);
                }
            },
            this);
    }
    msg::cookie name(std::uint64_t id) {
        return table->hold_id(id, vtype::reg, node_table::any_era)->into_lookup();
    }
    std::map<std::uint64_t, int> reclaimed;
    std::function<void(node&)> during_reclaim;
    std::unique_ptr<node_table> table;
};

TEST_F(node_table_test, root_is_cookie_one_and_outlives_every_count) { // spec: X6
    EXPECT_EQ(table->root().cookie(), msg::cookie::root);
    EXPECT_EQ(table->root().type(), vtype::dir);
    EXPECT_TRUE(table->give_back(msg::cookie::root, 1000));
    EXPECT_TRUE(table->hold(msg::cookie::root));
    EXPECT_EQ(table->live(), 1U);
}

TEST_F(node_table_test, the_same_id_is_the_same_node_while_it_lives) {
    const msg::cookie c = name(5);
    EXPECT_EQ(name(5), c);
    EXPECT_EQ((*table->hold(c))->lookup_count(), 2U);
    EXPECT_EQ(table->live(), 2U);
}

TEST_F(node_table_test, dies_once_when_the_last_lookup_is_given_back) { // spec: X6
    const msg::cookie c = name(5);
    static_cast<void>(name(5));
    EXPECT_TRUE(table->give_back(c, 1));
    EXPECT_EQ(reclaimed[5], 0);
    EXPECT_TRUE(table->give_back(c, 1));
    EXPECT_EQ(reclaimed[5], 1);
    EXPECT_EQ(table->hold(c).error(), error(ESTALE));
    EXPECT_FALSE(table->give_back(c, 1));
    EXPECT_EQ(reclaimed[5], 1);
    EXPECT_EQ(table->live(), 1U);
}

TEST_F(node_table_test, a_hold_keeps_it_when_all_lookups_are_gone) { // spec: X6
    const msg::cookie c = name(5);
    {
        auto held = table->hold(c);
        ASSERT_TRUE(held);
        EXPECT_TRUE(table->give_back(c, 1));
        EXPECT_EQ(reclaimed[5], 0);
        EXPECT_EQ((*held)->id(), 5U);
    }
    EXPECT_EQ(reclaimed[5], 1);
}

TEST_F(node_table_test, an_open_file_keeps_it_until_it_is_closed) { // spec: X6
    const msg::cookie c = name(5);
    table->hold(c)->into_open();
    table->hold(c)->into_open();
    EXPECT_TRUE(table->give_back(c, 1));
    {
        auto held = table->hold(c);
        EXPECT_EQ(table->close_file(**held), 1U);
    }
    EXPECT_EQ(reclaimed[5], 0);
    {
        auto held = table->hold(c);
        EXPECT_EQ(table->close_file(**held), 0U);
        EXPECT_EQ(table->close_file(**held), std::nullopt);
        EXPECT_EQ(reclaimed[5], 0);
    }
    EXPECT_EQ(reclaimed[5], 1);
}

TEST_F(node_table_test, giving_back_more_than_was_given_counts_as_all) {
    const msg::cookie c = name(5);
    EXPECT_FALSE(table->give_back(c, 1000));
    EXPECT_EQ(reclaimed[5], 1);
}

TEST_F(node_table_test, a_slot_is_used_again_with_the_next_generation) { // spec: X6
    const msg::cookie first = name(5);
    EXPECT_TRUE(table->give_back(first, 1));
    const msg::cookie second = name(6);
    EXPECT_EQ(msg::slot_of(second), msg::slot_of(first));
    EXPECT_EQ(msg::generation_of(second), msg::generation_of(first) + 1);
    EXPECT_EQ(table->hold(first).error(), error(ESTALE));
    EXPECT_FALSE(table->give_back(first, 1));
    EXPECT_EQ((*table->hold(second))->id(), 6U);
    EXPECT_EQ((*table->hold(second))->lookup_count(), 1U);
}

TEST_F(node_table_test, cookies_that_never_were_are_stale) {
    for (std::uint64_t c : {0ULL, 2ULL, 50ULL, 101ULL, 1ULL << 31, 1ULL << 32 | 1, ~0ULL}) {
        EXPECT_EQ(table->hold(static_cast<msg::cookie>(c)).error(), error(ESTALE)) << c;
    }
}

TEST_F(node_table_test, the_limit_answers_enfile_until_a_node_dies) { // spec: X6
    table = make(3);                                                  // root and two more
    const msg::cookie c = name(5);
    static_cast<void>(name(6));
    EXPECT_EQ(table->hold_id(7, vtype::reg, node_table::any_era).error(), error(ENFILE));
    EXPECT_EQ(name(5), c);
    EXPECT_TRUE(table->give_back(c, 2));
    EXPECT_TRUE(table->hold_id(7, vtype::reg, node_table::any_era));
}

TEST_F(node_table_test, an_id_with_another_type_is_refused) {
    static_cast<void>(name(5));
    EXPECT_EQ(table->hold_id(5, vtype::dir, node_table::any_era).error(), error(EPROTO));
    EXPECT_TRUE(table->hold_id(5, vtype::none, node_table::any_era));
}

TEST_F(node_table_test, an_id_reclaimed_since_the_question_is_stale) { // spec: X6
    const auto before = table->era();
    const msg::cookie c = name(5);
    EXPECT_TRUE(table->give_back(c, 1));
    EXPECT_EQ(table->hold_id(5, vtype::reg, before).error(), error(ESTALE));
    // Made again meanwhile by somebody else: still not what the server meant.
    const msg::cookie again = name(5);
    EXPECT_EQ(table->hold_id(5, vtype::reg, before).error(), error(ESTALE));
    EXPECT_EQ((*table->hold_id(5, vtype::reg, table->era()))->cookie(), again);
}

TEST_F(node_table_test, an_id_that_is_being_reclaimed_is_waited_for) { // spec: X6
    if (!sim::race_points) {
        GTEST_SKIP() << "built without race points: nobody knows when the finder waits";
    }
    const msg::cookie c = name(5);
    std::thread finder;
    std::atomic<bool> found{false};
    const sim::race_watch waits("node_table wait for reclaim");
    during_reclaim = [&](node& n) {
        if (finder.joinable()) {
            return;
        }
        EXPECT_EQ(table->hold(n.cookie()).error(), error(ESTALE)); // nobody gets hold of it
        finder = std::thread([&] {
            waits.begin();
            auto made = table->hold_id(5, vtype::reg, node_table::any_era);
            found.store(true, std::memory_order_release);
            EXPECT_NE((*made)->cookie(), c);
            EXPECT_EQ((*made)->lookup_count(), 0U);
        });
        waits.wait();
        EXPECT_FALSE(found.load(std::memory_order_acquire));
    };
    EXPECT_TRUE(table->give_back(c, 1));
    finder.join();
    EXPECT_TRUE(found.load(std::memory_order_acquire));
    EXPECT_EQ(reclaimed[5], 2); // the first, and the finder's when it dropped it
}

TEST_F(node_table_test, an_id_that_is_being_reclaimed_makes_a_lookup_ask_again) { // spec: X6
    if (!sim::race_points) {
        GTEST_SKIP() << "built without race points: nobody knows when the finder waits";
    }
    const msg::cookie c = name(5);
    std::thread finder;
    const sim::race_watch waits("node_table wait for reclaim");
    during_reclaim = [&](node&) {
        finder = std::thread([&] {
            waits.begin();
            const auto since = table->era();
            EXPECT_EQ(table->hold_id(5, vtype::reg, since).error(), error(ESTALE));
        });
        waits.wait();
    };
    EXPECT_TRUE(table->give_back(c, 1));
    finder.join();
    EXPECT_EQ(reclaimed[5], 1);
}

TEST_F(node_table_test, reclaim_all_takes_every_node_but_the_root_once) {
    static_cast<void>(name(5));
    static_cast<void>(name(5));
    table->hold_id(6, vtype::reg, node_table::any_era)->into_open();
    const msg::cookie c = name(7);
    EXPECT_TRUE(table->give_back(c, 1));
    table->reclaim_all();
    EXPECT_EQ(reclaimed, (std::map<std::uint64_t, int>{{5, 1}, {6, 1}, {7, 1}}));
    EXPECT_EQ(table->live(), 1U);
    table->reclaim_all();
    EXPECT_EQ(reclaimed[5], 1);
}

TEST_F(node_table_test, holds_many_nodes_and_finds_each) { // several chunks, grown maps
    table = make(200'000);
    std::vector<msg::cookie> cookies;
    for (std::uint64_t id = 2; id < 100'000; ++id) {
        cookies.push_back(name(id));
    }
    for (std::uint64_t id = 2; id < 100'000; ++id) {
        ASSERT_EQ((*table->hold(cookies[id - 2]))->id(), id);
        ASSERT_EQ((*table->hold_id(id, vtype::reg, node_table::any_era))->cookie(),
                  cookies[id - 2]);
    }
    for (const msg::cookie c : cookies) {
        ASSERT_TRUE(table->give_back(c, 1));
    }
    EXPECT_EQ(table->live(), 1U);
    EXPECT_EQ(reclaimed.size(), cookies.size());
}

TEST(node_map_test, takes_only_the_array_that_it_wants) {
    node_map map;
    EXPECT_FALSE(map.ready());
    EXPECT_EQ(map.wanted_buckets(), node_map::first_buckets);
    auto first = node_map::allocate(node_map::first_buckets);
    map.grow(first);
    EXPECT_EQ(first.count, 0U);
    auto too_small = node_map::allocate(node_map::first_buckets);
    map.grow(too_small); // nobody wants it: the caller keeps it
    EXPECT_EQ(too_small.count, node_map::first_buckets);
    EXPECT_EQ(map.find(1), nullptr);
}

} // namespace
} // namespace puffs
