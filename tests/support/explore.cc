#include "support/explore.hh"

#include "support/seed.hh"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <unistd.h>

namespace puffs::sim {
namespace {

struct choice {
    std::size_t chosen;
    std::size_t count;
};

std::string text_of(const std::vector<choice>& choices) {
    std::string text = "PUFFS_CHOICES=";
    for (const choice& c : choices) {
        text += (&c == choices.data() ? "" : ",") + std::to_string(c.chosen);
    }
    return text;
}

// What to print when an assertion ends the process inside a run.
thread_local const std::vector<choice>* choices_of_run = nullptr;

extern "C" void print_choices_and_die(int) {
    // The process is lost anyway: allocation in a signal handler can do no more harm.
    if (choices_of_run != nullptr) {
        const std::string text = text_of(*choices_of_run) + "\n";
        [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text.data(), text.size());
    }
    std::signal(SIGABRT, SIG_DFL);
    std::raise(SIGABRT);
}

class abort_report {
  public:
    explicit abort_report(const std::vector<choice>& c)
        : before_(std::signal(SIGABRT, print_choices_and_die)) {
        choices_of_run = &c;
    }
    ~abort_report() {
        std::signal(SIGABRT, before_);
        choices_of_run = nullptr;
    }
    abort_report(const abort_report&) = delete;
    abort_report& operator=(const abort_report&) = delete;

  private:
    void (*const before_)(int);
};

std::vector<choice> choices_to_replay() {
    std::vector<choice> list;
    if (const char* p = std::getenv("PUFFS_CHOICES")) {
        while (*p != '\0') {
            char* end = nullptr;
            list.push_back({std::strtoul(p, &end, 10), 0});
            p = *end == ',' ? end + 1 : end;
        }
    }
    return list;
}

std::string run_once(const explore_options& o, const scenario& s, const verdict& v,
                     const machine::chooser& choose) {
    machine m(o.cores);
    s(m);
    m.explore_with(choose);
    if (m.failure().empty() && v) {
        v(m);
    }
    return m.failure();
}

} // namespace

explore_result explore(const explore_options& o, const scenario& s, const verdict& v) {
    explore_result r;
    const std::vector<choice> replay = choices_to_replay();
    const unsigned preemptions_max =
        o.preemptions_max - (sanitized && o.preemptions_max > 1 && replay.empty() ? 1 : 0);
    std::vector<choice> choices = replay; // this run's, up to the depth reached
    const abort_report report(choices);
    do {
        std::size_t depth = 0;
        unsigned preemptions = 0;
        const auto choose = [&](std::size_t count, bool first_ran_last) -> std::size_t {
            if (first_ran_last && preemptions == preemptions_max) {
                return 0;
            }
            if (depth == o.choices_max) {
                r.exhausted = false;
                return 0;
            }
            if (depth == choices.size()) {
                choices.push_back({0, count});
            }
            choice& c = choices[depth++];
            c.count = count;
            PUFFS_ASSERT(c.chosen < count, "the scenario is not deterministic");
            preemptions += first_ran_last && c.chosen != 0 ? 1 : 0;
            return c.chosen;
        };
        r.failure = run_once(o, s, v, choose);
        ++r.executions;
        choices.resize(depth);
        if (!r.failure.empty()) {
            r.failure += "\n" + text_of(choices);
            return r;
        }
        if (!replay.empty()) {
            r.exhausted = false;
            return r;
        }
        while (!choices.empty() && choices.back().chosen + 1 == choices.back().count) {
            choices.pop_back();
        }
        if (!choices.empty()) {
            ++choices.back().chosen;
        }
    } while (!choices.empty() && r.executions < o.executions_max);
    r.exhausted = r.exhausted && choices.empty();
    return r;
}

explore_result random_runs(const explore_options& o, std::uint64_t runs, const scenario& s,
                           const verdict& v) {
    explore_result r;
    const std::uint64_t seed = test_seed();
    std::vector<choice> choices;
    const abort_report report(choices);
    for (std::uint64_t run = 0; run < runs; ++run) {
        std::mt19937_64 random(seed + run);
        choices.clear();
        r.failure = run_once(o, s, v, [&](std::size_t count, bool first_ran_last) {
            // Mostly straight on: long runs of one actor reach deeper states than a coin each time.
            const std::size_t c = first_ran_last && random() % 4 != 0
                                      ? 0
                                      : static_cast<std::size_t>(random() % count);
            choices.push_back({c, count});
            return c;
        });
        ++r.executions;
        if (!r.failure.empty()) {
            r.failure += "\nPUFFS_SEED=" + std::to_string(seed + run);
            return r;
        }
    }
    r.exhausted = false;
    return r;
}

} // namespace puffs::sim
