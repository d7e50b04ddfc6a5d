// The life of a node under every schedule: lookups against the last lookup being given back.
#include "node_table.hh"
#include "puffs/base/race_point.hh"
#include "support/explore.hh"

#include <gtest/gtest.h>
#include <vector>

namespace puffs {
namespace {

// A file server with one file, whose object is made when somebody looks it up and thrown away by
// reclaim; its number is the node's id, and is used again at once, as an address is.
struct world {
    static constexpr std::uint64_t id = 5;
    std::unique_ptr<node_table> table = std::make_unique<node_table>(
        1, 100, [](void* w, node& n) noexcept { static_cast<world*>(w)->reclaim(n); }, this);
    bool one_file = true; // otherwise reclaim only counts
    bool object = true;
    int incarnation = 0;
    int reclaims = 0, inside = 0;

    void reclaim(node&) noexcept {
        sim::machine& m = sim::machine::current();
        m.check(++inside == 1 || !one_file, "two reclaims of one id at once");
        PUFFS_RACE_POINT("test reclaim");
        m.check(object || !one_file, "reclaimed an object that is gone");
        object = false;
        ++incarnation;
        ++reclaims;
        PUFFS_RACE_POINT("test reclaimed");
        --inside;
    }
    // As call::find does.
    node_hold find() {
        for (;;) {
            const auto since = table->era();
            PUFFS_RACE_POINT("test question");
            object = true;
            const int meant = incarnation;
            PUFFS_RACE_POINT("test answer");
            auto held = table->hold_id(id, vtype::reg, since);
            if (held) {
                sim::machine::current().check(meant == incarnation && object,
                                              "holds a node whose object is gone");
                return std::move(*held);
            }
            sim::machine::current().check(held.error() == error(ESTALE), "an error");
        }
    }
    // Uses the node, as the kernel and an operation would, and gives it back.
    void use(node_hold held) {
        sim::machine& m = sim::machine::current();
        const int meant = incarnation;
        const msg::cookie c = held.into_lookup();
        PUFFS_RACE_POINT("test lookup counted");
        {
            auto again = table->hold(c);
            m.check(again.has_value(), "a node with a lookup is stale");
            PUFFS_RACE_POINT("test operation");
            m.check(meant == incarnation && object, "reclaimed while in use");
        }
        m.check(table->give_back(c, 1), "a lookup is missing");
    }
};

TEST(node_explore, lookups_and_the_last_give_back_never_meet_wrongly) { // spec: X6
    std::unique_ptr<world> w;
    const sim::explore_result r = sim::explore(
        {.cores = 1, .preemptions_max = sim::sanitized ? 1U : 2U},
        [&](sim::machine& m) {
            w = std::make_unique<world>();
            const msg::cookie c =
                w->table->hold_id(world::id, vtype::reg, node_table::any_era)->into_lookup();
            m.run_thread("kernel", [&w, c] {
                sim::machine::current().check(w->table->give_back(c, 1), "no such node");
            });
            m.run_thread("first", [&w] { w->use(w->find()); });
            m.run_thread("second", [&w] { w->use(w->find()); });
        },
        [&](sim::machine& m) {
            m.check(w->table->live() == 1, "a node is left");
            m.check(w->reclaims >= 1 && !w->object, "an object is left");
        });
    sim::expect_explored(r, 14000);
}

TEST(node_explore, cookies_of_a_slot_that_is_used_again_are_stale) { // spec: X6
    std::unique_ptr<world> w;
    const sim::explore_result r = sim::explore(
        {.cores = 1, .preemptions_max = 3},
        [&](sim::machine& m) {
            w = std::make_unique<world>();
            w->one_file = false;
            const msg::cookie c =
                w->table->hold_id(world::id, vtype::reg, node_table::any_era)->into_lookup();
            m.run_thread("kernel", [&w, c] {
                sim::machine::current().check(w->table->give_back(c, 1), "no such node");
                auto other = w->table->hold_id(6, vtype::reg, node_table::any_era);
                PUFFS_RACE_POINT("test slot used again");
            });
            m.run_thread("late", [&w, c] { // an operation that names the node as it dies
                if (auto held = w->table->hold(c)) {
                    PUFFS_RACE_POINT("test late operation");
                    sim::machine::current().check((*held)->id() == world::id, "another node");
                }
            });
        },
        [&](sim::machine& m) { m.check(w->reclaims == 2, "reclaimed once each"); });
    sim::expect_explored(r, 1700);
}

} // namespace
} // namespace puffs
