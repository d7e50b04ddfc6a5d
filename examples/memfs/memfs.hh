// memfs/memfs.hh - a complete POSIX file system in memory, in the manner of puffs's dtfs.
//
// All types of nodes, hard links, every case of rename, sticky and set-id rules (the kernel checks
// permissions), times in nanoseconds, sparse files, extended attributes, files that are removed
// while open, a size limit.
//
// Limits:     -o size= bytes of memory, all things included (default: half of the machine's), which longer names alone
//             may pass, by an eighth, when files are renamed; contents are gone after unmount; no access lists; no
//             quotas. Under the policy serial a full file system is full until the kernel has forgotten what was
//             removed; under the others, who needs the space waits a moment for that.
// Run:        memfs -f /mnt            memfs -o size=2G,allow_other none /mnt
// Threading:  the framework's per_node, serial or home policy: every operation has its nodes to itself. What is
//             shared besides is the space counter, the inode counter, and moves of directories
//             between directories, which take `moving_`.
#pragma once

#include "memfs/inode.hh"
#include "puffs/puffs.hh"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace memfs {

class memfs {
  public:
    static constexpr std::uint64_t root_id =
        1; // other nodes are called by the address of their inode
    static std::string_view help();
    static void defaults(puffs::kmod::mount_options& o);

    explicit memfs(const puffs::server_arguments& arguments);
    ~memfs();
    memfs(const memfs&) = delete;
    memfs& operator=(const memfs&) = delete;

    template <class T>
    using result = puffs::result<T>;
    using cc = puffs::cc;
    using node = puffs::node;

    // nodes.cc
    result<void> start(puffs::usermount& um);
    result<puffs::new_node> lookup(cc& c, node& dir, std::string_view name);
    result<puffs::attr> getattr(cc& c, node& n);
    result<void> setattr(cc& c, node& n, const puffs::setattr_request& r);
    void reclaim(cc& c, node& n);
    result<puffs::fs_stats> statvfs(cc& c);
    result<std::size_t> getextattr(cc& c, node& n, std::string_view attribute,
                                   std::span<std::byte> into);
    result<void> setextattr(cc& c, node& n, std::string_view attribute,
                            std::span<const std::byte> value, int flags);
    result<std::size_t> listextattr(cc& c, node& n, std::span<char> into);
    result<void> deleteextattr(cc& c, node& n, std::string_view attribute);

    // names.cc
    result<puffs::new_node> mknod(cc& c, node& dir, std::string_view name,
                                  const puffs::make_request& r);
    result<puffs::new_node> mkdir(cc& c, node& dir, std::string_view name,
                                  const puffs::make_request& r);
    result<puffs::new_node> symlink(cc& c, node& dir, std::string_view name,
                                    std::string_view target, const puffs::make_request& r);
    result<void> remove(cc& c, node& dir, node& target, std::string_view name);
    result<void> rmdir(cc& c, node& dir, node& target, std::string_view name);
    result<void> link(cc& c, node& dir, node& target, std::string_view name);
    static constexpr std::uint32_t rename_flags = RENAME_EXCHANGE;
    result<void> rename(cc& c, const puffs::rename_request& r);
    result<void> readdir(cc& c, node& dir, puffs::dirents& out, std::uint64_t cookie);
    result<std::size_t> readlink(cc& c, node& n, std::span<char> into);

    // io.cc; there is no open: the kernel keeps a removed file's node while somebody has it open
    result<std::size_t> read(cc& c, node& n, std::span<std::byte> into, std::uint64_t offset);
    result<std::size_t> write(cc& c, node& n, std::span<const std::byte> from,
                              std::uint64_t offset);
    result<std::uint64_t> seek(cc& c, node& n, std::uint64_t offset, int whence);
    result<void> fallocate(cc& c, node& n, int mode, std::uint64_t offset, std::uint64_t length);

  private:
    [[nodiscard]] inode& at(const node& n) const {
        return n.id() == root_id ? *root_ : n.as<inode>();
    }
    [[nodiscard]] std::uint64_t id_of(const inode& i) const {
        return &i == root_ ? root_id : reinterpret_cast<std::uintptr_t>(&i);
    }
    [[nodiscard]] puffs::new_node answer(const inode& i) const;
    std::unique_ptr<inode> make_inode(const inode* dir, const puffs::make_request& r);
    void delete_inode(inode* i);
    result<puffs::new_node> make(node& dir, std::string_view name, const puffs::make_request& r,
                                 std::string_view target = {});
    void drop_name(inode& dir, std::string_view name);
    void unlinked(inode& dir, inode& i);
    result<puffs::new_node> try_make(node& dir, std::string_view name, const puffs::make_request& r,
                                     std::string_view target);
    result<void> allocate(inode& i, std::uint64_t offset, std::uint64_t length);
    [[nodiscard]] bool forgotten_soon(int tries, int tries_max);
    // Does it again while its space may come back.
    template <class F>
    auto with_space(F&& make) -> decltype(make()) {
        constexpr int tries_max = 1000;
        for (int tries = 0;; ++tries) {
            auto made = make();
            if (made || made.error() != puffs::error(ENOSPC) || !forgotten_soon(tries, tries_max)) {
                return made;
            }
        }
    }
    void clear_set_id(inode& i);
    result<void> exchange(const puffs::rename_request& r);
    [[nodiscard]] bool is_below(const inode& candidate, const inode& ancestor) const;
    static void reparent(inode& i, inode& from, inode& to);

    space space_;
    pool pool_;
    std::atomic<std::uint64_t> next_ino_{1};
    std::atomic<std::uint64_t> inodes_{0};
    // Inodes that lost their last name, those of them that the kernel has forgotten, and the first when somebody last
    // waited for the second in vain. Counts, which order nothing.
    std::atomic<std::uint64_t> removals_{0}, forgotten_{0}, waited_in_vain_{0};
    bool may_wait_ = true; // constant after start
    puffs::lwkt::mutex
        moving_; // directories move one at a time, so that none can come to lie below itself
    inode* root_ = nullptr;
};

} // namespace memfs
