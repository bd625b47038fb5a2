#include "ntrt/object_tree.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "ntrt/kernel.h"

namespace softndk::ntrt {

/// Named, not anonymous: a debugger begins here (tools/gdb).
struct ObjectTree {
  Mutex mutex;
  TreeNode root{"root", nullptr};  // a root node's parent; nothing but its children is ever looked at
  std::uint64_t last_id = 0;
};
constinit ObjectTree g_object_tree;

namespace {

io::TimeNs clock_now_ns() {
  Kernel* running = kernel_if_running();
  return running == nullptr ? 0 : running->clock().now_ns();
}

}  // namespace

DurationText::DurationText(io::TimeNs duration_ns) noexcept {
  if (duration_ns >= io::kSecond) {
    std::snprintf(text, sizeof text, "%llu.%llu s", static_cast<unsigned long long>(duration_ns / io::kSecond),
                  static_cast<unsigned long long>(duration_ns % io::kSecond / (io::kSecond / 10)));
  } else {
    std::snprintf(text, sizeof text, "%llu ms", static_cast<unsigned long long>(duration_ns / io::kMillisecond));
  }
}

void NodeText::add(const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int wanted = std::vsnprintf(state + length_, sizeof state - length_, format, arguments);
  va_end(arguments);
  if (wanted > 0) length_ = std::min(length_ + static_cast<std::size_t>(wanted), sizeof state - 1);
}

void NodeText::add_since(io::TimeNs since_ns) noexcept {
  const io::TimeNs now = clock_now_ns();
  add("for %s", DurationText(now > since_ns ? now - since_ns : 0).text);
}

void TreeNode::insert_locked(TreeNode& parent, TreeNode* after) noexcept {
  parent_ = &parent;
  parent.children_.insert_after(after, *this);
}

void TreeNode::remove_locked() noexcept {
  // Markers of walks, and what a provider closed in the wrong order: they take this node's place.
  TreeNode* place = this;
  while (TreeNode* child = children_.pop_front()) {
    child->insert_locked(*parent_, place);
    place = child;
  }
  IntrusiveList<TreeNode>::remove(*this);
  parent_ = nullptr;
}

void TreeNode::insert(TreeNode* parent, const void* object, const CallOrigin& origin) noexcept {
  object_ = object;
  consumer_object_ = origin.consumer_object != nullptr ? origin.consumer_object : object;
  created_by_ = origin.caller;
  const bool called_for = origin.caller != nullptr || object == nullptr;
  stack_ = called_for ? capture_stack(origin.caller) : nullptr;
  created_ns_ = clock_now_ns();
  MutexLock lock(g_object_tree.mutex);
  id_ = ++g_object_tree.last_id;
  TreeNode& place = parent == nullptr ? g_object_tree.root : *parent;
  insert_locked(place, place.children_.back());
}

void TreeNode::remove() noexcept {
  MutexLock lock(g_object_tree.mutex);
  if (is_linked()) remove_locked();
}

void set_consumer_object(const void* provider_object, const void* consumer_object) noexcept {
  MutexLock lock(g_object_tree.mutex);
  IntrusiveList<TreeNode>& roots = g_object_tree.root.children_;
  for (TreeNode* root = roots.back(); root != nullptr; root = roots.before(*root)) {
    if (root->object_ == provider_object) root->consumer_object_ = consumer_object;
    if (root->object_ == provider_object) return;
    for (TreeNode* child = root->children_.back(); child != nullptr; child = root->children_.before(*child)) {
      if (child->object_ != provider_object) continue;
      child->consumer_object_ = consumer_object;
      return;
    }
  }
}

TreeWalk::TreeWalk() noexcept {
  MutexLock lock(g_object_tree.mutex);
  marker_.insert_locked(g_object_tree.root, nullptr);
}

TreeWalk::~TreeWalk() noexcept {
  marker_.remove();
}

bool TreeWalk::next(NodeRecord& to) noexcept {
  MutexLock lock(g_object_tree.mutex);
  TreeNode* node = nullptr;
  for (;;) {
    TreeNode& parent = *marker_.parent_;
    node = parent.children_.after(marker_);
    while (node != nullptr && node->describe_ == nullptr)  // somebody else's marker
      node = parent.children_.after(*node);
    if (node != nullptr) break;
    if (&parent == &g_object_tree.root) return false;
    IntrusiveList<TreeNode>::remove(marker_);
    marker_.insert_locked(*parent.parent_, &parent);
  }
  IntrusiveList<TreeNode>::remove(marker_);
  marker_.insert_locked(*node, nullptr);

  to.id = node->id_;
  to.parent = node->parent_->id_;
  to.depth = 0;
  for (TreeNode* above = node->parent_; above != &g_object_tree.root; above = above->parent_)
    ++to.depth;
  to.kind = node->kind_;
  to.object = node->consumer_object_;
  to.provider_object = node->object_;
  to.created_by = node->created_by_;
  to.stack = node->stack_;
  const io::TimeNs now = clock_now_ns();
  to.age_ns = now > node->created_ns_ ? now - node->created_ns_ : 0;
  to.text = NodeText();
  node->describe_(*node, to.text);
  if (to.depth == 0) interface_index_ = to.text.interface_index;
  to.text.interface_index = interface_index_;
  return true;
}

}  // namespace softndk::ntrt
