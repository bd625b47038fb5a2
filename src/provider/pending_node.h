#pragma once
#include <atomic>

#include "ntrt/object_tree.h"
#include "ntrt/stack_context.h"

namespace softndk::provider {

class Object;

/// What a report says of a call that pends: its name, and whose doing ends it.
struct PendingCall {
  const char* name;
  const char* completed_by;  ///< ends "completes when ..."
};

namespace pending_calls {
inline constexpr PendingCall kConnect = {"NdkConnect", "the peer answers, or connect_timeout_ms has passed"};
inline constexpr PendingCall kCompleteConnect = {"NdkCompleteConnect", "TCP has taken the ready-to-receive message"};
inline constexpr PendingCall kAccept = {
    "NdkAccept", "the peer has called NdkCompleteConnect (its ready-to-receive message), or rtr_timeout_ms has passed"};
inline constexpr PendingCall kDisconnect = {
    "NdkDisconnect", "the peer has closed its direction too, or disconnect_timeout_ms has passed"};
inline constexpr PendingCall kListen = {"NdkListen", "the address is bound"};
inline constexpr PendingCall kRegisterMr = {"NdkRegisterMr", "the pages are mapped"};
inline constexpr PendingCall kDeregisterMr = {"NdkDeregisterMr", "no access to the region is in progress"};
inline constexpr PendingCall kInitializeFastMr = {"NdkInitializeFastRegisterMr", "its page lists are allocated"};
inline constexpr PendingCall kCreate = {"a create", ""};
inline constexpr PendingCall kRequest = {"a request", ""};
}  // namespace pending_calls

/// Such a call in the tree of live objects, under the object that it is a request of.
class PendingNode : public ntrt::TreeNode {
 public:
  PendingNode() noexcept : TreeNode("request", describe) {}
  void begin(Object& owner, const PendingCall& call, const void* context) noexcept;
  /// Before the completion runs, or in its place.
  void remove() noexcept {
    stack_context_.end();
    TreeNode::remove();
  }
  /// The result is there; it waits for its turn to be delivered.
  void settled() noexcept { settled_.store(true, std::memory_order_relaxed); }

 private:
  static void describe(const TreeNode& node, ntrt::NodeText& to) noexcept;
  const PendingCall* call_ = nullptr;
  const void* context_ = nullptr;
  ntrt::StackContext stack_context_;
  std::atomic<bool> settled_{false};
};

}  // namespace softndk::provider
