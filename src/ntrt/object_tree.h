#pragma once
// The live objects of this process as a tree, for reports: adapter > PD > region, window, queue pair, ...; adapter >
// CQ, connector, listener, ...; under each what is pending on it. A node lies inside its owner: being in the tree costs
// two short locks in its owner's life and no memory of its own. The tree knows no NDK; whoever owns a node says what it
// is.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/clock.h"
#include "ntrt/call_stack.h"

namespace softndk::ntrt {

/// What a node says of itself.
struct NodeText {
  char state[320] = "";  ///< in words, without newline
  std::optional<Address> local;
  std::optional<Address> peer;
  const void* context = nullptr;      ///< of a request: what its completion gets
  std::uint32_t interface_index = 0;  ///< of what stands at the root
  bool is_going = false;              ///< closed, and nothing holds it any more: not a leak

  /// Appends to the state; what does not fit is cut.
  void add(const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));
  /// "for 3.2 s", since a time on the world's clock.
  void add_since(io::TimeNs since_ns) noexcept;

 private:
  std::size_t length_ = 0;
};

class TreeNode : public ListLink {
 public:
  /// Runs under the tree's lock, so the owner is there; takes at most innermost locks of its own.
  using Describe = void (*)(const TreeNode& node, NodeText& to) noexcept;
  /// `kind` ("qp") lives for ever.
  constexpr TreeNode(const char* kind, Describe describe) noexcept : kind_(kind), describe_(describe) {}
  TreeNode(const TreeNode&) = delete;
  TreeNode& operator=(const TreeNode&) = delete;

  /// From here on reports show it. `parent`: null for a root; it is in the tree. `object` is the provider's, and what
  /// the consumer holds unless `origin` says otherwise; null: no object but a request. Takes the stack, if stacks are
  /// on and a consumer called.
  void insert(TreeNode* parent, const void* object, const CallOrigin& origin) noexcept;
  /// Before the owner changes what describe looks at without a lock, and before its memory goes. Children that are
  /// left become the parent's. No effect on a node that is not in the tree.
  void remove() noexcept;

  io::TimeNs created_ns() const noexcept { return created_ns_; }
  /// For describe functions.
  const void* consumer_object() const noexcept { return consumer_object_; }

 private:
  friend class TreeWalk;
  friend void set_consumer_object(const void* provider_object, const void* consumer_object) noexcept;
  void insert_locked(TreeNode& parent, TreeNode* after) noexcept;
  void remove_locked() noexcept;

  const char* kind_;
  Describe describe_;  ///< null: a walk's marker
  TreeNode* parent_ = nullptr;
  IntrusiveList<TreeNode> children_;
  std::uint64_t id_ = 0;
  const void* object_ = nullptr;           ///< the provider's
  const void* consumer_object_ = nullptr;  ///< what the consumer holds
  const void* created_by_ = nullptr;
  const CallStack* stack_ = nullptr;
  io::TimeNs created_ns_ = 0;
};

/// The consumer holds `consumer_object` for a root or a child of a root that it did not create itself.
void set_consumer_object(const void* provider_object, const void* consumer_object) noexcept;

/// A node as it was when the walk met it. Text and pointers stay good for ever, or until the next record.
struct NodeRecord {
  std::uint64_t id = 0;      ///< never used again in this process
  std::uint64_t parent = 0;  ///< 0: none
  unsigned depth = 0;        ///< 0: a root
  const char* kind = "";
  const void* object = nullptr;  ///< what the consumer holds; null: no object but a request
  const void* provider_object = nullptr;
  const void* created_by = nullptr;
  const CallStack* stack = nullptr;
  io::TimeNs age_ns = 0;
  NodeText text;
};

/// Goes through the tree, parents first, siblings in the order of their creation. Between two steps no lock is held and
/// the tree may change: an object that is there all the time is met once.
class TreeWalk {
 public:
  TreeWalk() noexcept;
  ~TreeWalk() noexcept;
  /// False: that was all.
  bool next(NodeRecord& to) noexcept;

 private:
  TreeNode marker_{"", nullptr};  ///< stands behind what was met last
  std::uint32_t interface_index_ = 0;
};

/// Where a report's lines go; each comes without its newline.
struct LineSink {
  void* context;
  void (*write)(void* context, const char* line) noexcept;
};
/// Lines to a file descriptor, and to the log as errors.
LineSink sink_to_descriptor(int& fd) noexcept;
LineSink sink_to_log() noexcept;

struct ReportFilter {
  const void* under = nullptr;       ///< only this root (by either pointer) and what is under it
  const void* created_by = nullptr;  ///< only what code of the module of this address created
  std::uint32_t on_interface = 0;    ///< only what belongs to this interface's adapters
};
/// Prints the tree, two columns of indentation a level, with the stacks that are known; returns how many objects (not
/// requests) it showed. Any thread; blocks as long as the sink does.
std::size_t report_objects(const LineSink& sink, const ReportFilter& filter = {}) noexcept;

/// One line a frame: those of the consumer, from its call of the library to the library's call of it.
void write_stack(const LineSink& sink, const CallStack& stack, int indent) noexcept;

/// "12.3 s", "4 ms".
struct DurationText {
  explicit DurationText(io::TimeNs duration_ns) noexcept;
  char text[24];
};

}  // namespace softndk::ntrt
