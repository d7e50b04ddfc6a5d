// server/make_operations.hh - fills the operations table of a server class from the member functions
// it has.
//
// An operation is found by name. A member of that name whose arguments are not those of ops.hh, whose
// result does not convert to the one there, or that is overloaded, is a compile-time error that names
// it: nothing that looks like an operation is ignored.
//
// Ownership:  the table refers to code only; the server object is given to usermount.
// Threading:  none.
// Errors:     at compile time.
#pragma once

#include "puffs/server/ops.hh"

#include <concepts>
#include <type_traits>

namespace puffs {
namespace detail {

template <class... Args>
struct argument_list {};

// The arguments of a member function (or of a static one), without references and const, so that a
// server may take views by value or by const reference.
template <class F>
struct arguments_of {
    using type = void;
};
template <class R, class... Args>
struct arguments_of<R(Args...)> {
    using type = argument_list<std::remove_cvref_t<Args>...>;
};
template <class R, class... Args>
struct arguments_of<R(Args...) noexcept> : arguments_of<R(Args...)> {};
template <class R, class... Args>
struct arguments_of<R(Args...) const> : arguments_of<R(Args...)> {};
template <class R, class... Args>
struct arguments_of<R(Args...) const noexcept> : arguments_of<R(Args...)> {};
template <class F>
struct arguments_of<F*> : arguments_of<F> {};
template <class F, class Server>
struct arguments_of<F Server::*> : arguments_of<F> {};

// One operation: whether Server has a member NAME, overloaded or not, and the thunk that calls it.
// has: `&both<Server>::NAME` is ambiguous, so ill-formed, exactly when Server has the name too.
#define PUFFS_OPERATION(NAME)                                                                      \
    struct name_##NAME {                                                                           \
        int NAME;                                                                                  \
    };                                                                                             \
    template <class Server>                                                                        \
    struct both_##NAME : Server, name_##NAME {};                                                   \
    template <class Server>                                                                        \
    concept has_##NAME = !requires {                                                               \
        &both_##NAME<Server>::NAME;                                                                \
    };                                                                                             \
                                                                                                   \
    template <class Server, class Slot>                                                            \
    struct bind_##NAME;                                                                            \
    template <class Server, class R, class... Args>                                                \
    struct bind_##NAME<Server, R (*)(void*, Args...)> {                                            \
        static constexpr bool callable = requires(Server & s, Args... args) {                      \
            { s.NAME(static_cast<Args&&>(args)...) } -> std::convertible_to<R>;                    \
        };                                                                                         \
        static constexpr R (*get())(void*, Args...) {                                              \
            if constexpr (!has_##NAME<Server>) {                                                   \
                return nullptr;                                                                    \
            } else if constexpr (!requires { &Server::NAME; }) {                                   \
                static_assert(!has_##NAME<Server>,                                                 \
                              "operation '" #NAME                                                  \
                              "' is overloaded or not public: see puffs/server/ops.hh");           \
                return nullptr;                                                                    \
            } else {                                                                               \
                static_assert(std::is_same_v<typename arguments_of<decltype(&Server::NAME)>::type, \
                                             argument_list<std::remove_cvref_t<Args>...>>,         \
                              "operation '" #NAME                                                  \
                              "' has the wrong arguments: see puffs/server/ops.hh");               \
                static_assert(callable, "operation '" #NAME                                        \
                                        "' has the wrong result or cannot be called with its "     \
                                        "arguments: see puffs/server/ops.hh");                     \
                if constexpr (callable) {                                                          \
                    return [](void* server, Args... args) -> R {                                   \
                        return static_cast<Server*>(server)->NAME(static_cast<Args&&>(args)...);   \
                    };                                                                             \
                } else {                                                                           \
                    return nullptr;                                                                \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    };

#define PUFFS_OPERATIONS(X)                                                                        \
    X(lookup)                                                                                      \
    X(create)                                                                                      \
    X(mknod)                                                                                       \
    X(mkdir)                                                                                       \
    X(symlink)                                                                                     \
    X(open)                                                                                        \
    X(close)                                                                                       \
    X(access)                                                                                      \
    X(getattr)                                                                                     \
    X(setattr)                                                                                     \
    X(read)                                                                                        \
    X(write)                                                                                       \
    X(fsync)                                                                                       \
    X(seek)                                                                                        \
    X(remove)                                                                                      \
    X(rmdir)                                                                                       \
    X(link)                                                                                        \
    X(rename)                                                                                      \
    X(readdir)                                                                                     \
    X(readlink)                                                                                    \
    X(getextattr)                                                                                  \
    X(setextattr)                                                                                  \
    X(listextattr)                                                                                 \
    X(deleteextattr)                                                                               \
    X(fallocate)                                                                                   \
    X(reclaim)                                                                                     \
    X(inactive)                                                                                    \
    X(statvfs)                                                                                     \
    X(sync)                                                                                        \
    X(start)                                                                                       \
    X(unmount)

PUFFS_OPERATIONS(PUFFS_OPERATION)
#undef PUFFS_OPERATION

} // namespace detail

// The table for a server class; one constant a class.
template <class Server>
[[nodiscard]] constexpr operations make_operations() {
    static_assert(std::is_class_v<Server> && !std::is_final_v<Server>,
                  "a file server is a class that is not final: see puffs/server/ops.hh");
    operations ops;
#define PUFFS_BIND(NAME) ops.NAME = detail::bind_##NAME<Server, decltype(operations::NAME)>::get();
    PUFFS_OPERATIONS(PUFFS_BIND)
#undef PUFFS_BIND
    if constexpr (requires { Server::rename_flags; }) {
        ops.rename_flags = Server::rename_flags;
    }
    return ops;
}
#undef PUFFS_OPERATIONS

} // namespace puffs
