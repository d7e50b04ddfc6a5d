#include "node_map.hh"

#include "puffs/base/assert.hh"

#include <new>
#include <utility>

namespace puffs {

node_map::array node_map::allocate(std::size_t count) noexcept {
    array a{std::unique_ptr<node*[]>(new (std::nothrow) node*[count]()), 0};
    a.count = a.heads ? count : 0;
    return a;
}

node*& node_map::head(std::uint64_t id) const noexcept {
    const std::uint64_t h = hash_of(id);
    if (old_.count != 0) {
        const std::size_t b = h & (old_.count - 1);
        if (b >= old_moved_) {
            return old_.heads[b];
        }
    }
    return table_.heads[h & (table_.count - 1)];
}

node* node_map::find(std::uint64_t id) const noexcept {
    if (!ready()) {
        return nullptr;
    }
    node* n = head(id);
    while (n != nullptr && n->id_ != id) {
        n = n->next_;
    }
    return n;
}

void node_map::move_some() noexcept {
    for (std::size_t i = 0; i < moved_at_once && old_moved_ < old_.count; ++i) {
        node* n = std::exchange(old_.heads[old_moved_], nullptr);
        ++old_moved_;
        while (n != nullptr) {
            node* const after = n->next_;
            node*& to = table_.heads[hash_of(n->id_) & (table_.count - 1)];
            n->next_ = to;
            to = n;
            n = after;
        }
    }
}

node_map::array node_map::insert(node& n) noexcept {
    PUFFS_ASSERT(ready(), "node map without an array");
    array emptied;
    if (old_.count != 0) {
        move_some();
        if (old_moved_ == old_.count) {
            emptied = std::exchange(old_, array{});
        }
    }
    node*& to = head(n.id_);
    n.next_ = to;
    to = &n;
    ++size_;
    return emptied;
}

void node_map::erase(node& n) noexcept {
    node** link = &head(n.id_);
    while (*link != &n) {
        PUFFS_ASSERT(*link != nullptr, "node is not in the map");
        link = &(*link)->next_;
    }
    *link = n.next_;
    n.next_ = nullptr;
    --size_;
}

std::size_t node_map::wanted_buckets() const noexcept {
    if (!ready()) {
        return first_buckets;
    }
    return old_.count == 0 && size_ > table_.count ? table_.count * 2 : 0;
}

void node_map::grow(array& to) noexcept {
    if (to.count == 0 || to.count != wanted_buckets()) {
        return;
    }
    old_ = std::exchange(table_, std::exchange(to, array{}));
    old_moved_ = 0;
}

} // namespace puffs
