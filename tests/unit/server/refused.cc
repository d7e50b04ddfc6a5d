// Servers that must not compile, one a CASE, each with the message in CMakeLists.txt; CASE_none must.
#include "puffs/server/make_operations.hh"

struct server {
    puffs::result<puffs::attr> getattr(puffs::cc&, puffs::node&) { return puffs::attr{}; }
#if defined(CASE_none)
    static puffs::result<void> sync(puffs::cc&) noexcept {
        return {};
    }
    puffs::result<std::size_t> read(puffs::cc&, puffs::node&, const std::span<std::byte>&,
                                    std::uint64_t) const {
        return std::size_t{0};
    }
#elif defined(CASE_overloaded)
    puffs::result<void> fsync(puffs::cc&, puffs::node&, bool) {
        return {};
    }
    puffs::result<void> fsync(puffs::cc&, puffs::node&) {
        return {};
    }
#elif defined(CASE_hidden)
  private:
    puffs::result<void> fsync(puffs::cc&, puffs::node&, bool) {
        return {};
    }
#elif defined(CASE_arguments)
    puffs::result<void> fsync(puffs::cc&, puffs::node&) {
        return {};
    }
#elif defined(CASE_narrow)
    puffs::result<std::size_t> read(puffs::cc&, puffs::node&, std::span<std::byte>, int) {
        return std::size_t{0};
    }
#elif defined(CASE_result)
    std::string_view lookup(puffs::cc&, puffs::node&, std::string_view) {
        return {};
    }
#elif defined(CASE_no_function)
    int write = 0;
#elif defined(CASE_final)
};
struct last final {
#endif
};

#if defined(CASE_final)
using tested = last;
#else
using tested = server;
#endif
inline constexpr puffs::operations table = puffs::make_operations<tested>();
static_assert(table.getattr != nullptr && table.lookup == nullptr);
#if defined(CASE_none)
static_assert(table.sync != nullptr && table.read != nullptr);
#endif
