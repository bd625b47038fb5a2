#include "provider/pending_node.h"

#include "provider/object.h"

namespace softndk::provider {

void PendingNode::begin(Object& owner, const PendingCall& call, const void* context) noexcept {
  call_ = &call;
  context_ = context;
  settled_.store(false, std::memory_order_relaxed);
  stack_context_.begin(context, call.name);
  insert(&owner.node(), nullptr, {});
}

void PendingNode::describe(const TreeNode& node, ntrt::NodeText& to) noexcept {
  const auto& self = static_cast<const PendingNode&>(node);
  to.context = self.context_;
  to.add("%s, pending ", self.call_->name);
  to.add_since(self.created_ns());
  to.add(", context %p", self.context_);
  if (self.settled_.load(std::memory_order_relaxed)) {
    to.add("; its result is known and is delivered next");
  } else {
    to.add("; completes when %s", self.call_->completed_by);
  }
}

}  // namespace softndk::provider
