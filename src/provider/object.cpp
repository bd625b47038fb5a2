#include "provider/object.h"

#include "base/interleave.h"
#include "base/log.h"
#include "provider/adapter.h"

namespace softndk::provider {

static_assert(sizeof(NDK_QP) == sizeof(NDK_ADAPTER) && sizeof(NDK_CQ) == sizeof(NDK_ADAPTER) &&
              sizeof(NDK_MR) == sizeof(NDK_ADAPTER) && sizeof(NDK_MW) == sizeof(NDK_ADAPTER) &&
              sizeof(NDK_PD) == sizeof(NDK_ADAPTER) && sizeof(NDK_SRQ) == sizeof(NDK_ADAPTER) &&
              sizeof(NDK_CONNECTOR) == sizeof(NDK_ADAPTER) && sizeof(NDK_LISTENER) == sizeof(NDK_ADAPTER) &&
              sizeof(NDK_SHARED_ENDPOINT) == sizeof(NDK_ADAPTER));

Object::Object(const ObjectType& type, Adapter& adapter) noexcept : type_(type), adapter_(adapter) {
  by_reason_[static_cast<unsigned>(RefReason::consumer)] = 1;
}

void Object::add_ref(RefReason reason) noexcept {
  by_reason_[static_cast<unsigned>(reason)].fetch_add(1);
  if (references_.fetch_add(1) != 0) return;
  log(LogLevel::error, "%s %p is used in a call although its close has begun and nothing holds it open", type_.name,
      static_cast<void*>(this));
  panic(__FILE__, __LINE__, "use after close (R-CLS-09)");
}

bool Object::try_add_ref(RefReason reason) noexcept {
  if (closing_.load()) return false;
  interleave_point();
  std::uint32_t now = references_.load();
  do {
    if (now == 0) return false;
  } while (!references_.compare_exchange_weak(now, now + 1));
  by_reason_[static_cast<unsigned>(reason)].fetch_add(1);
  return true;
}

bool Object::drop(RefReason reason) noexcept {
  const std::uint32_t of_reason = by_reason_[static_cast<unsigned>(reason)].fetch_sub(1);
  SOFTNDK_CHECK(of_reason != 0);
  interleave_point();
  return references_.fetch_sub(1) == 1;
}

void Object::release(RefReason reason) noexcept {
  if (!drop(reason)) return;
  if (type_.ndk_type == NdkObjectTypeAdapter) {
    type_.retire(*this);  // lets the waiting close go on: the adapter may be gone (R-NDIS-01: it has no completion)
    return;
  }
  // Not inside the consumer's close call: its completion is called from nobody's call (R-CLS-01).
  if (retire()) completions_of(adapter_).deliver_later(close_delivery_);
}

std::uint32_t Object::references(RefReason reason) const noexcept {
  return by_reason_[static_cast<unsigned>(reason)].load();
}

NTSTATUS Object::close(NDK_FN_CLOSE_COMPLETION completion, PVOID context) noexcept {
  if (closing_.exchange(true)) {
    log(LogLevel::error, "%s %p is closed a second time", type_.name, static_cast<void*>(this));
    panic(__FILE__, __LINE__, "double close (R-CLS-26)");
  }
  closing_since_ns_.store(ntrt::now_ns(), std::memory_order_relaxed);
  const CompletionMode mode = completions_of(adapter_).choose(CompletionKind::close);
  interleave_point();
  completions_of(adapter_).begin(close_delivery_);
  close_completion_ = completion;
  close_context_ = context;
  close_stack_context_.begin(context, "a close");
  add_ref(RefReason::callback);  // begin_close may cause the last event of a device before it returns
  type_.begin_close(*this);
  release(RefReason::consumer);
  if (!drop(RefReason::callback) || !retire()) return STATUS_PENDING;
  if (mode == CompletionMode::inlined) {
    close_stack_context_.end();
    finish_close();
    return STATUS_SUCCESS;
  }
  return completions_of(adapter_).deliver(mode, close_delivery_);
}

bool Object::retire() noexcept {
  type_.retire(*this);
  interleave_point();
  return retiring_parties_.fetch_sub(1) == 1;
}

void Object::retired() noexcept {
  // The other party is our own call of type_.retire: as long as it runs the device's object must not be destroyed.
  if (retiring_parties_.fetch_sub(1) == 1) completions_of(adapter_).deliver_later(close_delivery_);
}

void Object::deliver_close(Delivery& delivery) noexcept {
  Object& self = static_cast<CloseDelivery&>(delivery).owner;
  self.close_stack_context_.end();
  self.close_completion_(self.close_context_);
  interleave_point();
  self.finish_close();  // R-CLS-07, R-CLS-15: only now
}

void Object::finish_close() noexcept {
  // The memory goes first, for the device's part of an object refers to those of its antecedents; then they go, the
  // adapter, which waits for this (R-CLS-13), among them.
  node_.remove();
  auto antecedents = std::move(antecedents_);
  type_.destroy(*this);
}

void Object::hold_antecedent(Object& antecedent) noexcept {
  for (Ref<Object>& slot : antecedents_) {
    if (slot) continue;
    slot = Ref<Object>(antecedent, RefReason::successor);
    return;
  }
  SOFTNDK_UNREACHABLE();
}

Ref<Object> Object::take_antecedent(Object& antecedent) noexcept {
  for (Ref<Object>& slot : antecedents_) {
    if (slot.get() == &antecedent) return std::move(slot);
  }
  return {};
}

void Object::publish(const ntrt::CallOrigin& origin) noexcept {
  Object* parent = antecedents_[0].get();
  node_.insert(parent == nullptr ? nullptr : &parent->node_, ndk(), origin);
}

void Object::describe_antecedents(ntrt::NodeText& to) const noexcept {
  const Object* last = nullptr;
  for (std::size_t i = 1; i < antecedents_.size(); ++i) {
    const Object* antecedent = antecedents_[i].get();
    if (antecedent == nullptr || antecedent == last) continue;  // both directions may use one queue
    last = antecedent;
    const bool raised = antecedent->type_.ndk_type == NdkObjectTypeListener;
    to.add(", %s %s %p", raised ? "raised by" : "over", antecedent->type_name(), antecedent->node_.consumer_object());
  }
}

void Object::Node::describe(const TreeNode& node, ntrt::NodeText& to) noexcept {
  const Object& object = static_cast<const Node&>(node).owner;
  const io::TimeNs closing_since_ns = object.closing_since_ns_.load(std::memory_order_relaxed);
  to.add("%s", closing_since_ns != 0 ? "closing " : "open");
  if (closing_since_ns != 0) to.add_since(closing_since_ns);
  to.is_going = object.references_.load() == 0;
  if (object.type_.describe != nullptr) object.type_.describe(object, to);
  constexpr struct {
    RefReason reason;
    const char* name;
  } kHolders[] = {
      {RefReason::successor, "successor"},
      {RefReason::request, "request"},
      {RefReason::binding, "binding"},
      {RefReason::callback, "callback"},
  };
  const char* separator = "; held by ";
  for (const auto& holder : kHolders) {
    const std::uint32_t count = object.references(holder.reason);
    if (count == 0) continue;
    to.add("%s%u %s%s", separator, count, holder.name, count == 1 ? "" : "s");
    separator = ", ";
  }
}

}  // namespace softndk::provider
