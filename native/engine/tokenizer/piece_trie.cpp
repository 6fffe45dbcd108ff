#include "piece_trie.h"

#include <algorithm>

#include "../error.h"

namespace bge {

namespace {

[[noreturn]] void fail(const char* what) {
    throw Error(ErrorCode::ModelLoad, std::string("the vocabulary cannot be used: ") + what);
}

/// The first eight bytes as a number that orders like the string, so that sorting seldom has to
/// follow the pointer.
std::uint64_t sort_prefix(std::string_view key) {
    std::uint64_t prefix = 0;
    for (std::size_t i = 0; i < 8; ++i)
        prefix = (prefix << 8) | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
    return prefix;
}

void sort_by_key(std::vector<PieceTrie::Entry>& entries) {
    struct Item {
        std::uint64_t prefix;
        std::uint32_t index;
    };
    std::vector<Item> items(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i)
        items[i] = {sort_prefix(entries[i].key), static_cast<std::uint32_t>(i)};
    std::sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
        if (a.prefix != b.prefix)
            return a.prefix < b.prefix;
        return entries[a.index].key < entries[b.index].key;
    });
    std::vector<PieceTrie::Entry> sorted;
    sorted.reserve(entries.size());
    for (const Item& item : items)
        sorted.push_back(entries[item.index]);
    entries.swap(sorted);
}

} // namespace

/// Places the nodes depth first, so that what is walked together lies together.
class PieceTrieBuilder {
  public:
    PieceTrieBuilder(PieceTrie& trie, const std::vector<PieceTrie::Entry>& entries)
        : trie_(trie), entries_(entries) {}

    void build() {
        append_block(true);
        // Leaves share a base none of whose children exists: a block that is never handed out.
        dead_base_ = static_cast<std::uint32_t>(trie_.units_.size());
        append_block(false);

        trie_.root_base_ = entries_.empty() ? dead_base_ : place_children(0, entries_.size(), 0);
        while (!pending_.empty()) {
            Node node = pending_.back();
            pending_.pop_back();
            if (entries_[node.begin].key.size() == node.depth) {
                trie_.units_[node.unit].id = entries_[node.begin].id;
                ++node.begin;
            }
            if (node.begin == node.end)
                continue;
            const std::uint32_t base = place_children(node.begin, node.end, node.depth);
            std::uint32_t& link = trie_.units_[node.unit].base_and_label;
            link = (base << 8) | (link & 0xFFu);
        }

        for (PieceTrie::Unit& unit : trie_.units_) {
            if (unit.base_and_label == kFreeLabel)
                unit.base_and_label = (dead_base_ << 8) | kFreeLabel;
        }
        trie_.units_.shrink_to_fit();
    }

  private:
    static constexpr std::uint32_t kBlock = 256;
    static constexpr std::uint32_t kMaxUnits = 1u << 24; // a base has 24 bits
    static constexpr std::uint32_t kFreeLabel = 0xFF;
    static constexpr std::uint32_t kNone = 0xFFFFFFFFu;
    /// Free units are looked for in so many of the newest blocks only. What is still free in an
    /// older one has been passed over often, and trying it again for each node would take most of
    /// the time.
    static constexpr std::uint32_t kOpenBlocks = 16;

    /// Entries [begin, end), equal in their first `depth` bytes; the node lies at `unit`.
    struct Node {
        std::size_t begin, end, depth;
        std::uint32_t unit;
    };
    struct Child {
        std::uint32_t label;
        std::size_t begin, end;
    };

    void append_block(bool free) {
        const auto start = static_cast<std::uint32_t>(trie_.units_.size());
        if (start + kBlock > kMaxUnits)
            fail("it is too large");
        trie_.units_.resize(start + kBlock);
        next_.resize(start + kBlock, kNone);
        previous_.resize(start + kBlock, kNone);
        base_used_.resize(start + kBlock, false);
        if (!free)
            return;
        for (std::uint32_t unit = start; unit < start + kBlock; ++unit) {
            previous_[unit] = last_free_;
            (last_free_ == kNone ? first_free_ : next_[last_free_]) = unit;
            last_free_ = unit;
        }
        if (start >= kOpenBlocks * kBlock) {
            const std::uint32_t closed = start - kOpenBlocks * kBlock;
            for (std::uint32_t unit = closed; unit < closed + kBlock; ++unit) {
                if (is_free(unit))
                    take(unit);
            }
        }
    }

    bool is_free(std::uint32_t unit) const {
        return unit < trie_.units_.size() &&
               (next_[unit] != kNone || previous_[unit] != kNone || first_free_ == unit);
    }
    void take(std::uint32_t unit) {
        (previous_[unit] == kNone ? first_free_ : next_[previous_[unit]]) = next_[unit];
        (next_[unit] == kNone ? last_free_ : previous_[next_[unit]]) = previous_[unit];
        next_[unit] = previous_[unit] = kNone;
    }

    bool fits(std::uint32_t base, const std::vector<Child>& children) const {
        if (base_used_[base])
            return false;
        return std::all_of(children.begin(), children.end(),
                           [&](const Child& c) { return is_free(base ^ c.label); });
    }

    std::uint32_t find_base(const std::vector<Child>& children) {
        const std::uint32_t first_label = children[0].label;
        for (std::uint32_t unit = first_free_; unit != kNone; unit = next_[unit]) {
            const std::uint32_t base = unit ^ first_label;
            if (fits(base, children))
                return base;
        }
        const auto base = static_cast<std::uint32_t>(trie_.units_.size());
        append_block(true);
        return base; // a whole free block takes any set of children
    }

    /// Finds the children of a node (its own entry, if any, taken off) a base, and returns it.
    std::uint32_t place_children(std::size_t begin, std::size_t end, std::size_t depth) {
        children_.clear();
        for (std::size_t i = begin; i < end; ++i) {
            const std::uint32_t label = static_cast<unsigned char>(entries_[i].key[depth]);
            if (children_.empty() || children_.back().label != label)
                children_.push_back({label, i, i});
            children_.back().end = i + 1;
        }
        const std::uint32_t base = find_base(children_);
        base_used_[base] = true;
        for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
            const std::uint32_t unit = base ^ child->label;
            take(unit);
            trie_.units_[unit].base_and_label = (dead_base_ << 8) | child->label;
            pending_.push_back({child->begin, child->end, depth + 1, unit});
        }
        return base;
    }

    PieceTrie& trie_;
    const std::vector<PieceTrie::Entry>& entries_;
    std::vector<std::uint32_t> next_, previous_; // the list of free units
    std::uint32_t first_free_ = kNone, last_free_ = kNone;
    std::vector<bool> base_used_;
    std::uint32_t dead_base_ = 0;
    std::vector<Node> pending_;
    std::vector<Child> children_;
};

PieceTrie::PieceTrie(std::vector<Entry>& entries) {
    sort_by_key(entries);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::string_view key = entries[i].key;
        if (key.empty())
            fail("it has an empty piece");
        if (key.find('\xFF') != std::string_view::npos)
            fail("a piece is not UTF-8");
        if (i > 0 && key == entries[i - 1].key)
            fail("two pieces are the same");
        longest_key_ = std::max(longest_key_, key.size());
    }
    PieceTrieBuilder(*this, entries).build();
}

} // namespace bge
