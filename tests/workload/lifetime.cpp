#include "workload/lifetime.h"

#include "ntrt/kernel.h"
#include "workload/documented.h"
#include "workload/verdict.h"

namespace softndk::workload {

void dwell() noexcept {
  for (std::uint64_t left = ntrt::kernel().rng().next() % 16; left < 3; ++left)
    ntrt::scheduling_point();
}

// ---- Calling, Inside

namespace {
constexpr std::size_t kCallersMax = 256;
std::atomic<const io::ThreadContext*> g_callers[kCallersMax];
}  // namespace

Calling::Calling() : slot_(0) {
  const io::ThreadContext* none = nullptr;
  while (!g_callers[slot_].compare_exchange_strong(none, &io::this_thread())) {
    none = nullptr;
    if (++slot_ == kCallersMax) fail("more than %zu calls at once", kCallersMax);
  }
}

Calling::~Calling() {
  g_callers[slot_] = nullptr;
}

bool Calling::is_this_thread() {
  const io::ThreadContext* self = &io::this_thread();
  for (const auto& caller : g_callers)
    if (caller.load() == self) return true;
  return false;
}

Inside::Inside(Node& node, const char* what) : node_(node) {
  if (Calling::is_this_thread())
    fail("%s of %s %u runs inside a call that this thread makes (R-DISC-18)", what, node.kind(), node.number());
  node_.enter(what);
  dwell();
}

// ---- Node

const char* Node::state_name() const {
  constexpr const char* kNames[] = {"not made", "being created", "live", "closing", "closed"};
  return kNames[static_cast<unsigned>(state())];
}

void Node::over(std::initializer_list<Node*> antecedents) {
  for (Node* antecedent : antecedents) {
    antecedents_.push_back(antecedent);
    antecedent->successors_.push_back(this);
  }
}

void Node::antecedents_must_live(const char* what) const {
  const auto must_live = [&](const Node* antecedent) {
    if (antecedent != nullptr && antecedent->state() == State::closed)
      fail("%s of %s %u runs although the close of its antecedent %s %u has completed (R-CLS-06, R-CLS-07)", what,
           kind_, number_, antecedent->kind_, antecedent->number_);
  };
  for (const Node* antecedent : antecedents_)
    must_live(antecedent);
  must_live(late_antecedent_.load());
}

void Node::creating() {
  state_ = State::creating;
}

void Node::created(bool live) {
  state_ = live ? State::live : State::none;
}

bool Node::start_close() {
  State live = State::live;
  return state_.compare_exchange_strong(live, State::closing);
}

void Node::close_completes(bool inside) {
  if (state() != State::closing)
    fail("%s %u: a close completes, and it is %s (R-CLS-02)", kind_, number_, state_name());
  // An inline close lets go of its antecedents before it returns to us.
  if (inside) antecedents_must_live("the close completion");
  if (inside_.load() != 0)
    fail("%s %u: its close completes while %d of its callbacks run (R-CLS-03, R-CLS-04)", kind_, number_,
         inside_.load());
  if (requests_.load() != 0)
    fail("%s %u: its close completes while %d of its requests are pending (R-CLS-03)", kind_, number_,
         requests_.load());
  for (const Node* successor : successors_) {
    const bool lives = successor->state() == State::live || successor->state() == State::creating;
    if (lives || successor->in_close_callback_.load())
      fail("%s %u: its close completes while its successor %s %u is %s (R-CLS-06, R-CLS-07, R-CRT-11)", kind_, number_,
           successor->kind_, successor->number_, lives ? successor->state_name() : "in its close completion");
  }
  if (inside) {
    in_close_callback_ = true;  // closed only when it has returned
  } else {
    state_ = State::closed;
  }
}

void Node::close_callback_returns() {
  antecedents_must_live("the close completion");
  state_ = State::closed;
  in_close_callback_ = false;
}

void Node::enter(const char* what) {
  const State now = state();
  if (now == State::closed || in_close_callback_.load())
    fail("%s runs although the close of %s %u has completed (R-CLS-02)", what, kind_, number_);
  ++inside_;
}

void Node::leave() {
  if (state() == State::closed || in_close_callback_.load())
    fail("%s %u: its close completed while a callback of it ran (R-CLS-04)", kind_, number_);
  --inside_;
}

// ---- Call

void Call::begin() {
  if (is_pending()) fail("the workload calls %s on %s %u twice", function_, node_.kind(), node_.number());
  callbacks_ = 0;
  object_ = kind_ == Kind::create ? nullptr : object_;
  stage_ = Stage::calling;
  if (kind_ == Kind::create) node_.creating();
  if (kind_ == Kind::request) node_.request_starts();
}

void Call::check_status(NTSTATUS status, bool is_inline) const {
  if (!is_documented(function_, status, is_inline))
    fail("%s on %s %u %s %s, which is not in its table", function_, node_.kind(), node_.number(),
         is_inline ? "returned" : "completed with", name_of(status));
}

void Call::returns(NTSTATUS returned) {
  // After STATUS_PENDING everything may have happened already, and even have been forgotten.
  if (returned == STATUS_PENDING) return;
  if (callbacks_.load() != 0)
    fail("%s on %s %u returned %s and called back as well (R-CRT-01, R-REQ-01)", function_, node_.kind(),
         node_.number(), name_of(returned));
  check_status(returned, true);
  status_ = returned;
  switch (kind_) {
    case Kind::create:
      if ((object_ != nullptr) != (returned == STATUS_SUCCESS))
        fail("%s returned %s and %s object (R-CRT-05)", function_, name_of(returned), object_ == nullptr ? "no" : "an");
      node_.created(returned == STATUS_SUCCESS);
      break;
    case Kind::request:
      node_.request_ends();
      break;
    case Kind::close:
      node_.close_completes(false);
      break;
  }
  stage_ = Stage::done;
  caller_.kick();
}

void Call::call_back(NTSTATUS status, NDK_OBJECT_HEADER* object) {
  if (callbacks_.fetch_add(1) != 0 || stage_.load() != Stage::calling)
    fail("%s on %s %u completed twice (R-CRT-01, R-REQ-01, R-CLS-01)", function_, node_.kind(), node_.number());
  stage_ = Stage::calling_back;
  check_status(status, false);
  status_ = status;
  switch (kind_) {
    case Kind::create:
      if ((object != nullptr) != (status == STATUS_SUCCESS))
        fail("%s completed with %s and %s object (R-CRT-01)", function_, name_of(status),
             object == nullptr ? "no" : "an");
      object_ = object;
      node_.antecedents_must_live("the create completion");  // R-CRT-11
      node_.created(object != nullptr);
      dwell();
      caller_.inside(*this);
      node_.antecedents_must_live("the create completion");
      stage_ = Stage::done;
      break;
    case Kind::request: {
      node_.enter(function_);
      dwell();
      caller_.inside(*this);
      dwell();
      node_.leave();
      node_.request_ends();
      stage_ = Stage::done;
      break;
    }
    case Kind::close:
      node_.close_completes(true);
      dwell();
      node_.close_callback_returns();
      stage_ = Stage::done;
      break;
  }
  caller_.kick();
}

VOID Call::created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  static_cast<Call*>(context)->call_back(status, object);
}

VOID Call::completed(PVOID context, NTSTATUS status) {
  static_cast<Call*>(context)->call_back(status, nullptr);
}

VOID Call::closed(PVOID context) {
  static_cast<Call*>(context)->call_back(STATUS_SUCCESS, nullptr);
}

}  // namespace softndk::workload
