// bench/memory_node.hh - the nodes of peer_memfs: attributes, bytes in chunks, names by hash.
//
// Units:      bytes. A chunk has room for a power of two of bytes, from 1 KiB to 64 KiB.
// Ownership:  a node lives as long as somebody refers to it: each name, and each time that the
//             kernel was told of it (which FORGET gives back). The last reference deletes it.
// Threading:  `names_lock` guards the names of a directory, `lock` everything else; `lock` is the
//             innermost. Two `names_lock`s are taken only while the file system's lock of moves is held.
// Errors:     std::bad_alloc.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unordered_map>
#include <vector>

namespace puffs::bench {

// The bytes of a file; what was never written reads as zeros.
class file_bytes {
  public:
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

    void write(const char* from, std::size_t count, std::uint64_t offset) {
        const auto end = offset + count;
        if (chunks_.size() * chunk_bytes < end) {
            chunks_.resize((end + chunk_bytes - 1) / chunk_bytes);
        }
        while (offset < end) {
            const auto begin = offset % chunk_bytes;
            const auto part = std::min<std::uint64_t>(chunk_bytes - begin, end - offset);
            auto& to = chunks_[offset / chunk_bytes];
            to.make_room(begin, begin + part);
            std::memcpy(to.memory.get() + begin, from, part);
            from += part;
            offset += part;
        }
        size_ = std::max(size_, end);
    }

    // The places of at most `count` bytes from `offset` on, fewer at the end of the file; they stay
    // right until the file is changed. Returns how many bytes these are.
    std::size_t gather(std::uint64_t offset, std::size_t count, std::vector<iovec>& out) {
        const auto end = std::min(size_, offset + count);
        std::size_t done = 0;
        while (offset + done < end) {
            const auto at = offset + done;
            const auto begin = at % chunk_bytes;
            auto part = std::min<std::uint64_t>(chunk_bytes - begin, end - at);
            char* from = zeros + begin;
            if (at / chunk_bytes < chunks_.size()) {
                const auto& filled = chunks_[at / chunk_bytes];
                if (begin < filled.room_bytes) {
                    from = filled.memory.get() + begin;
                    part = std::min<std::uint64_t>(part, filled.room_bytes - begin);
                }
            }
            out.push_back({from, part});
            done += part;
        }
        return done;
    }

    void truncate(std::uint64_t size) {
        if (size < size_) {
            chunks_.resize(
                std::min<std::size_t>(chunks_.size(), (size + chunk_bytes - 1) / chunk_bytes));
            const auto rest = size % chunk_bytes;
            if (rest != 0 && chunks_.size() > size / chunk_bytes) {
                auto& last = chunks_.back();
                if (rest < last.room_bytes) {
                    std::memset(last.memory.get() + rest, 0, last.room_bytes - rest);
                }
            }
        }
        size_ = size;
    }

  private:
    static constexpr std::size_t chunk_bytes = 65536;
    static constexpr std::size_t room_bytes_min = 1024;
    static inline char zeros[chunk_bytes];

    // Zeros behind what was written, up to `room_bytes`.
    struct chunk {
        std::unique_ptr<char[]> memory;
        std::size_t room_bytes = 0;

        // Room up to `end`; [begin, end) is left as it comes, for the caller to fill.
        void make_room(std::size_t begin, std::size_t end) {
            if (end <= room_bytes) return;
            const auto wanted = std::max(room_bytes_min, std::bit_ceil(end));
            auto fresh = std::make_unique_for_overwrite<char[]>(wanted);
            if (room_bytes != 0) std::memcpy(fresh.get(), memory.get(), room_bytes);
            if (begin > room_bytes) std::memset(fresh.get() + room_bytes, 0, begin - room_bytes);
            std::memset(fresh.get() + end, 0, wanted - end);
            memory = std::move(fresh);
            room_bytes = wanted;
        }
    };

    std::vector<chunk> chunks_;
    std::uint64_t size_ = 0;
};

struct memory_node;

// The names of a directory: found by hash, read in the order in which they were added.
class directory_names {
  public:
    struct entry {
        std::string name;
        memory_node* node;
    };
    using in_order = std::map<std::uint64_t, entry>; // by the cookie of readdir
    static constexpr std::uint64_t first_cookie = 3; // "." and ".." have 1 and 2

    // The node of that name, nullptr for none.
    [[nodiscard]] memory_node* find(std::string_view name) const {
        const auto at = by_name_.find(name);
        return at == by_name_.end() ? nullptr : at->second->second.node;
    }
    // Requires: the name is not there.
    void add(std::string_view name, memory_node& node) {
        const auto at =
            order_.emplace_hint(order_.end(), next_cookie_++, entry{std::string(name), &node});
        by_name_.emplace(at->second.name, at);
    }
    // Requires: the name is there.
    void remove(std::string_view name) {
        const auto found = by_name_.find(name);
        const auto at = found->second;
        by_name_.erase(found);
        order_.erase(at);
    }
    // Requires: the name is there.
    void replace(std::string_view name, memory_node& node) {
        by_name_.find(name)->second->second.node = &node;
    }
    [[nodiscard]] bool empty() const noexcept { return order_.empty(); }
    [[nodiscard]] in_order::const_iterator after(std::uint64_t cookie) const {
        return order_.upper_bound(cookie);
    }
    [[nodiscard]] in_order::const_iterator end() const noexcept { return order_.end(); }

  private:
    in_order order_;
    std::unordered_map<std::string_view, in_order::iterator> by_name_; // the keys lie in order_
    std::uint64_t next_cookie_ = first_cookie;
};

inline timespec time_of_day() {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

struct memory_node {
    std::shared_mutex lock;
    struct stat st {
    }; // guarded by lock, but for st_ino, which is constant; a file's size is that of `bytes`
    file_bytes bytes;                          // guarded by lock
    mode_t type = 0;                           // constant: S_IFREG, S_IFDIR, ...
    std::string target;                        // constant: what a symbolic link points to
    std::map<std::string, std::string> xattrs; // guarded by lock

    std::shared_mutex names_lock;
    directory_names names; // guarded by names_lock

    // Relaxed to add, as who adds knows of one already; the release of each pairs with the acquire of the last.
    std::atomic<std::uint64_t> references{1};

    [[nodiscard]] bool is_directory() const { return type == S_IFDIR; }
    [[nodiscard]] bool is_file() const { return type == S_IFREG; }

    void refer() { references.fetch_add(1, std::memory_order_relaxed); }
    void give_back(std::uint64_t count = 1) {
        if (references.fetch_sub(count, std::memory_order_acq_rel) == count) delete this;
    }

    // Requires: lock, at least shared.
    [[nodiscard]] struct stat attributes() const {
        struct stat out = st;
        if (is_file()) {
            out.st_size = static_cast<off_t>(bytes.size());
            out.st_blocks = (out.st_size + 511) / 512;
        }
        return out;
    }
    [[nodiscard]] struct stat locked_attributes() {
        const std::shared_lock hold(lock);
        return attributes();
    }
    // Its names or its bytes changed, and it has `links` more links. Requires: lock.
    void changed(int links = 0) {
        st.st_mtim = st.st_ctim = time_of_day();
        st.st_nlink = static_cast<nlink_t>(static_cast<long>(st.st_nlink) + links);
    }
    // As the kernel does itself for its own file systems. Requires: lock.
    void clear_set_id() {
        st.st_mode &= ~static_cast<mode_t>(S_ISUID);
        if ((st.st_mode & S_IXGRP) != 0) st.st_mode &= ~static_cast<mode_t>(S_ISGID);
    }
};

} // namespace puffs::bench
