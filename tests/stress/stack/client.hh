// stress/stack/client.hh - a process on its core, with what the kernel keeps for it: lookups, open files.
//
// It works in a directory of its own, whose state it knows exactly, and in directories that all clients share, where it
// knows which answers are possible, and what stands in its own slot of each file.
//
// Ownership:  refers to the world.
// Threading:  run() is a light thread; everything else of it belongs to that core, but doing(), which any thread calls.
#pragma once

#include "fuse/wire_file.hh"
#include "fuse/wire_node.hh"
#include "stress/stack/kernel.hh"
#include "support/fuse/frames.hh"

#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace puffs::stress {

struct world;

class client {
  public:
    using opcode = fuse::wire::opcode;
    static constexpr std::size_t block_bytes = 64; // a client's slot in a shared file

    client(world& w, core_id core, unsigned number, std::uint64_t seed);

    // Works until the world says that it is enough, or the mount dies; closes its files.
    void run();
    // Sends an INTERRUPT for what it waits for, through the channel of the calling core. A light thread of any core.
    void interrupt(kernel_channel& through);
    [[nodiscard]] core_id core() const { return core_; }
    [[nodiscard]] std::string doing() const;

    // For the last one, when everybody else is through.
    void take_over(client& other); // what it holds
    void look_at_all();            // asks the server for the attributes of all that it holds
    void give_all_back();
    answer destroy();
    [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& lookups() const { return lookups_; }
    [[nodiscard]] std::uint64_t object_of(std::uint64_t node) const { return known_.at(node).ino; }

  private:
    struct entry { // what an answer names
        std::uint64_t node = 0, ino = 0, size = 0;
        bool dir = false;
    };
    struct open_file {
        std::uint64_t node, handle;
    };
    struct private_file {
        std::uint64_t ino = 0;
        std::string data;
    };
    struct listed {
        std::string name;
        std::uint64_t ino;
    };

    // client.cc: requests
    answer ask(const fuse::test::frame_builder& b);
    bool expect(const answer& a, const char* what, std::initializer_list<int> errors);
    void fail(const std::string& what);
    std::optional<entry> take_entry(const answer& a);
    std::optional<std::uint64_t> take_handle(const answer& a, std::uint64_t node, std::size_t at);
    answer lookup(std::uint64_t dir, std::string_view name);
    answer create(std::uint64_t dir, std::string_view name);
    answer make(opcode op, std::uint64_t dir, std::string_view name);
    answer remove(opcode op, std::uint64_t dir, std::string_view name);
    answer rename(std::uint64_t dir, std::string_view name, std::uint64_t to_dir,
                  std::string_view to, std::uint32_t flags);
    answer link(std::uint64_t node, std::uint64_t dir, std::string_view name);
    answer set(std::uint64_t node, std::uint32_t valid, std::uint64_t size);
    answer read(std::uint64_t node, std::uint64_t at, std::uint32_t size);
    answer write(std::uint64_t node, std::uint64_t at, std::string_view data);
    answer readdir(std::uint64_t dir, std::uint64_t from, bool plus);
    std::vector<listed> take_entries(const answer& a, bool plus);
    void forget(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& counts);
    void close(std::size_t index);
    std::uint64_t handle_of(std::uint64_t node) const;
    std::uint64_t pick(std::uint64_t n) { return random_() % n; }
    void forget_some();
    std::uint64_t find_dir(std::uint64_t in, std::string_view name);

    // client_private.cc
    void step_private();
    void find_private(const std::string& name);
    void create_private(const std::string& name);
    void link_private(const std::string& from, const std::string& to);
    void rename_private(const std::string& from, const std::string& to);
    void remove_private(const std::string& name);
    void write_private(const std::string& name);
    void read_private(const std::string& name);
    void cut_private(const std::string& name);
    void list_private(bool plus);
    std::uint64_t node_of(const std::string& name); // looks it up if it must; 0: could not

    // client_shared.cc
    void step_shared();
    std::string any_name();
    void names_shared();
    void make_shared(std::uint64_t dir);
    void change_shared(std::uint64_t dir);
    void rename_shared(std::uint64_t dir, const std::string& name);
    void list_shared();
    void use_shared();
    void write_shared(std::uint64_t node, std::uint64_t ino);
    void read_shared(std::uint64_t node, std::uint64_t ino);
    void check_block(std::string_view block, std::size_t slot, std::uint64_t ino);
    void attributes_shared(std::uint64_t node, std::uint64_t ino);
    void open_shared(std::uint64_t node);

    world& world_;
    const core_id core_;
    const unsigned number_;
    kernel_channel& channel_;

    // owned by the core
    std::mt19937_64 random_;
    std::uint64_t sequence_ = 0;
    bool dead_ = false;                              // the mount died
    std::map<std::uint64_t, std::uint64_t> lookups_; // by node
    std::map<std::uint64_t, entry> known_;           // by node
    std::vector<open_file> files_;
    std::vector<std::uint64_t> shared_dirs_;
    std::uint64_t own_dir_ = 0;
    std::map<std::string, std::shared_ptr<private_file>> own_;
    std::set<std::uint64_t> own_inos_;               // of all that ever stood there
    std::map<std::uint64_t, std::uint64_t> written_; // last sequence in its slot, by ino

    // atomic; release and acquire: the kernel sends no INTERRUPT for what has not been read
    std::atomic<std::uint64_t> read_unique_{0};
    // The last request for which an INTERRUPT was sent: only grows. seq_cst, before it is sent.
    std::atomic<std::uint64_t> interrupted_unique_{0};
    // relaxed: the watchdog reads
    std::atomic<std::uint32_t> doing_op_{0};
    std::atomic<std::uint64_t> doing_node_{0}, doing_unique_{0};
};

} // namespace puffs::stress
