#include "client.hh"
#include "tree_server.hh"

#include <gtest/gtest.h>
#include <sys/xattr.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

struct xattr_server : tree_server {
    std::string value = "value", seen;
    bool polite = true; // answers erange itself
    result<std::size_t> getextattr(cc&, node&, std::string_view name, std::span<std::byte> into) {
        seen = name;
        if (!into.empty() && into.size() < value.size()) {
            return polite ? result<std::size_t>(fail(ERANGE)) : value.size();
        }
        if (!into.empty()) {
            std::memcpy(into.data(), value.data(), value.size());
        }
        return value.size();
    }
    result<void> setextattr(cc&, node&, std::string_view name, std::span<const std::byte> v,
                            int flags) {
        seen = std::string(name) + "=" +
               std::string(reinterpret_cast<const char*>(v.data()), v.size()) +
               std::to_string(flags);
        return {};
    }
    result<std::size_t> listextattr(cc&, node&, std::span<char> into) {
        if (!into.empty()) {
            std::memcpy(into.data(), "a\0b\0", 4);
        }
        return std::size_t{4};
    }
    result<void> deleteextattr(cc&, node&, std::string_view name) {
        seen = name;
        return {};
    }
};

struct xattr_test : ::testing::Test {
    mounted<xattr_server> m;
    client c{m.um};
    cookie f = cookie::root;
};

TEST_F(xattr_test, get_gives_length_or_bytes) {
    EXPECT_EQ(c.extattr(vn_op::getextattr, f, "user.x"), 5U);
    EXPECT_EQ(c.out_bytes, 0U);
    EXPECT_EQ(m.server.seen, "user.x");
    EXPECT_EQ(c.extattr(vn_op::getextattr, f, "user.x", {}, 5), 5U);
    EXPECT_EQ(c.text(5), "value");
    EXPECT_EQ(c.out_bytes, 5U);
    EXPECT_EQ(c.extattr(vn_op::getextattr, f, "user.x", {}, 4).error(), error(ERANGE));
    m.server.polite = false;
    EXPECT_EQ(c.extattr(vn_op::getextattr, f, "user.x", {}, 4).error(), error(ERANGE));
    m.server.value = std::string(65537, 'x');
    EXPECT_EQ(c.extattr(vn_op::getextattr, f, "user.x").error(), error(E2BIG));
}

TEST_F(xattr_test, list_gives_length_or_names) {
    EXPECT_EQ(c.extattr(vn_op::listextattr, f, ""), 4U);
    EXPECT_EQ(c.extattr(vn_op::listextattr, f, "", {}, 100), 4U);
    EXPECT_EQ(c.text(4), std::string("a\0b\0", 4));
}

TEST_F(xattr_test, set_and_delete_pass_name_value_and_flags) {
    EXPECT_TRUE(c.extattr(vn_op::setextattr, f, "user.x", "val", 0, XATTR_CREATE));
    EXPECT_EQ(m.server.seen, "user.x=val1");
    EXPECT_TRUE(c.extattr(vn_op::setextattr, f, "user.x", "", 0, 0));
    EXPECT_EQ(m.server.seen, "user.x=0");
    EXPECT_EQ(c.extattr(vn_op::setextattr, f, "user.x", "v", 0, 3).error(), error(EINVAL));
    EXPECT_EQ(c.extattr(vn_op::setextattr, f, "user.x", "v", 0, 4).error(), error(EINVAL));
    EXPECT_EQ(c.extattr(vn_op::setextattr, f, "user.x", std::string(65537, 'x')).error(),
              error(E2BIG));
    EXPECT_TRUE(c.extattr(vn_op::deleteextattr, f, "user.y"));
    EXPECT_EQ(m.server.seen, "user.y");
}

TEST_F(xattr_test, names_have_one_to_255_bytes) {
    for (auto op : {vn_op::getextattr, vn_op::setextattr, vn_op::deleteextattr}) {
        EXPECT_EQ(c.extattr(op, f, "").error(), error(ERANGE));
        EXPECT_EQ(c.extattr(op, f, std::string(256, 'x')).error(), error(ERANGE));
        EXPECT_TRUE(c.extattr(op, f, std::string(255, 'x')));
        EXPECT_EQ(c.extattr(op, f, std::string_view("a\0b", 3)).error(), error(EINVAL));
    }
}

} // namespace
} // namespace puffs
