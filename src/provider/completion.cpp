#include "provider/completion.h"

#include "base/log.h"
#include "ntrt/irql.h"
#include "provider/object.h"

namespace softndk::provider {
namespace {

/// Steps of a short wait before a caller of `early` gives up; each is a pause at first, then a yield.
constexpr unsigned kEarlySpinsMax = 4096;

}  // namespace

bool Completer::start() noexcept {
  {
    MutexLock lock(mutex_);
    running_ = true;
  }
  if (thread_.start("ndk completer", enter, this)) return true;
  log(LogLevel::warning, "no thread for early completions: they come later instead");
  MutexLock lock(mutex_);
  running_ = false;
  return false;
}

void Completer::stop() noexcept {
  {
    MutexLock lock(mutex_);
    if (!running_) return;
    running_ = false;
  }
  wake_.set();
  thread_.join();
  ntrt::relax_until([this] { return callers_.load() == 0; });
}

void Completer::deliver(Delivery& delivery) noexcept {
  Ticket ticket;
  {
    MutexLock lock(mutex_);
    if (running_) {
      ticket.number = delivery.ticket_ = ++last_ticket_;
      queue_.push_back(delivery);
      tickets_.push_back(ticket);
      callers_.fetch_add(1);
    }
  }
  if (ticket.number == 0) {
    delivery.queue();
    return;
  }
  wake_.set();
  // From here on the delivery may be gone. A caller who is a callback on this very thread would wait for itself.
  if (context_.load() != &io::this_thread()) {
    io::Executor& executor = ntrt::kernel().executor();
    for (unsigned spins = 0; spins < kEarlySpinsMax && !ticket.done.load(); ++spins)
      executor.relax(spins);
  }
  {
    MutexLock lock(mutex_);
    if (ticket.is_linked()) IntrusiveList<Ticket>::remove(ticket);
  }
  callers_.fetch_sub(1);
}

void Completer::done(std::uint64_t number) noexcept {
  MutexLock lock(mutex_);
  for (Ticket* ticket = tickets_.front(); ticket != nullptr; ticket = tickets_.after(*ticket)) {
    if (ticket->number != number) continue;
    IntrusiveList<Ticket>::remove(*ticket);
    ticket->done.store(true);
    return;
  }
}

void Completer::enter(void* self) noexcept {
  static_cast<Completer*>(self)->work();
}

void Completer::work() noexcept {
  context_.store(&io::this_thread());
  for (;;) {
    Delivery* delivery = nullptr;
    std::uint64_t number = 0;
    {
      MutexLock lock(mutex_);
      delivery = queue_.pop_front();
      if (delivery != nullptr) {
        number = delivery->ticket_;
      } else if (!running_) {
        break;
      } else {
        wake_.reset();  // under the lock: a delivery that is pushed later sets it again
      }
    }
    if (delivery == nullptr) {
      wake_.wait();
      continue;
    }
    {
      ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, delivery->what());
      delivery->run();
    }
    done(number);
  }
  context_.store(nullptr);
}

void Completions::start() noexcept {
  for (CompletionKind kind : {CompletionKind::create, CompletionKind::close, CompletionKind::local_request,
                              CompletionKind::network_request}) {
    const CompletionMode mode = settings_.mode(kind);
    if (mode != CompletionMode::early && mode != CompletionMode::mixed) continue;
    completer_.start();
    return;
  }
}

CompletionMode Completions::choose(CompletionKind kind) noexcept {
  const CompletionMode mode = settings_.mode(kind);
  if (mode != CompletionMode::mixed) return mode;
  const std::uint64_t drawn = mix(settings_.seed + draws_.fetch_add(1));
  constexpr CompletionMode kModes[] = {CompletionMode::inlined, CompletionMode::nested, CompletionMode::early,
                                       CompletionMode::later};
  return kModes[drawn % 4];
}

NTSTATUS Completions::deliver(CompletionMode mode, Delivery& delivery) noexcept {
  if (held_.has_latency()) mode = CompletionMode::later;  // no callback inside the call can be late enough
  switch (mode) {
    case CompletionMode::nested: {
      ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, delivery.what());
      delivery.run();
      return STATUS_PENDING;
    }
    case CompletionMode::early:
      completer_.deliver(delivery);
      return STATUS_PENDING;
    case CompletionMode::later:
      deliver_later(delivery);
      return STATUS_PENDING;
    case CompletionMode::inlined:
    case CompletionMode::mixed:
      break;
  }
  SOFTNDK_UNREACHABLE();
}

void Completions::deliver_later(Delivery& delivery) noexcept {
  if (held_.is_on()) {
    held_.hold(delivery);
  } else {
    delivery.queue();
  }
}

CreateRecord::CreateRecord(const CreateCall& call) noexcept : Delivery(call_back, "create completion"), call_(call) {
  completions_of(call.parent).begin(*this);
  call_.parent.add_ref(RefReason::request);
  for (Object* antecedent : call_.antecedents) {
    if (antecedent != nullptr) antecedent->add_ref(RefReason::request);
  }
  node_.begin(call.parent, pending_calls::kCreate, call.context);
}

void CreateRecord::settle(NTSTATUS status, NDK_OBJECT_HEADER* object) noexcept {
  status_ = status;
  object_ = object;
  node_.settled();
}

void CreateRecord::call_back(Delivery& self) noexcept {
  Owned<CreateRecord> record(static_cast<CreateRecord*>(&self));
  const CreateCall call = record->call_;
  const NTSTATUS status = record->status_;
  NDK_OBJECT_HEADER* object = record->object_;
  record->node_.remove();
  record.reset();
  // The consumer may close the object inside this: nothing of ours looks at it afterwards (R-CONN-11, R-CRT-09).
  call.completion(call.context, status, object);
  for (Object* antecedent : call.antecedents) {
    if (antecedent != nullptr) antecedent->release(RefReason::request);
  }
  call.parent.release(RefReason::request);
}

RequestRecord::RequestRecord(Object& owner, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept
    : Delivery(call_back, "completion of a request"), owner_(owner), completion_(completion), context_(context) {
  completions_of(owner).begin(*this);
  owner.add_ref(RefReason::request);
  node_.begin(owner, pending_calls::kRequest, context);
}

void RequestRecord::call_back(Delivery& self) noexcept {
  Owned<RequestRecord> record(static_cast<RequestRecord*>(&self));
  Object& owner = record->owner_;
  const auto completion = record->completion_;
  const PVOID context = record->context_;
  const NTSTATUS status = record->status_;
  record->node_.remove();
  record.reset();
  completion(context, status);  // the consumer may close the object inside this (R-REQ-03)
  owner.release(RefReason::request);
}

PendingRequest::PendingRequest(Object& owner, Conclude conclude, Reported reported, const char* what) noexcept
    : Delivery(call_back, what), owner_(owner), conclude_(conclude), reported_(reported) {}

void PendingRequest::begin(const PendingCall& call, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  owner_.add_ref(RefReason::request);
  completion_ = completion;
  context_ = context;
  completions_of(owner_).begin(*this);
  node_.begin(owner_, call, context);
}

NTSTATUS PendingRequest::settle(CompletionKind kind, NTSTATUS status) noexcept {
  Completions& completions = completions_of(owner_);
  const CompletionMode mode = completions.choose(kind);
  if (mode == CompletionMode::inlined) {
    Object& owner = owner_;
    node_.remove();
    const NTSTATUS reported = conclude_(owner, status);
    if (reported_ != nullptr) reported_(owner);
    owner.release(RefReason::request);
    return reported;
  }
  status_ = status;
  node_.settled();
  return completions.deliver(mode, *this);
}

void PendingRequest::end(NTSTATUS status) noexcept {
  if (!completions_of(owner_).is_prompt()) return end_later(status);
  ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, what());
  report(status);
}

void PendingRequest::end_later(NTSTATUS status) noexcept {
  status_ = status;
  node_.settled();
  completions_of(owner_).deliver_later(*this);
}

void PendingRequest::call_back(Delivery& self) noexcept {
  auto& request = static_cast<PendingRequest&>(self);
  request.report(request.status_);
}

void PendingRequest::report(NTSTATUS status) noexcept {
  // conclude_ may let the consumer make the next request of this object, which then uses this slot: take it out first.
  Object& owner = owner_;
  NDK_FN_REQUEST_COMPLETION completion = completion_;
  const PVOID context = context_;
  node_.remove();
  const NTSTATUS reported = conclude_(owner, status);
  completion(context, reported);
  if (reported_ != nullptr) reported_(owner);  // the reference of this request keeps the owner, and so this, alive
  owner.release(RefReason::request);
}

}  // namespace softndk::provider
