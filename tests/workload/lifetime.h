#pragma once
// The checker of lifetimes: what spec/ndkpi.md 3.1 to 3.3 promises about every object and every request, looked at from
// the consumer's side while a workload runs. Consumers make all creates, requests and closes through these.
#include <atomic>
#include <initializer_list>
#include <span>
#include <vector>

#include "wdk/ndkpi.h"

namespace softndk::workload {

/// Gives other threads the turn, some times drawn by the seed: a callback that takes its time.
void dwell() noexcept;

/// An object, from its create call to the end of its close.
class Node {
 public:
  enum class State : std::uint8_t { none, creating, live, closing, closed };
  Node(const char* kind, unsigned number) : kind_(kind), number_(number) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Before anything runs: this object is made over those.
  void over(std::initializer_list<Node*> antecedents);

  State state() const { return state_.load(); }
  /// Nothing of it is left: it was never made, or is closed.
  bool is_gone() const { return state() == State::none || state() == State::closed; }
  const char* kind() const { return kind_; }
  unsigned number() const { return number_; }
  const char* state_name() const;

  void creating();
  void created(bool live);
  /// False: somebody closes it already.
  bool start_close();
  /// The close has completed: `inside` its completion callback, or inline.
  void close_completes(bool inside);
  void close_callback_returns();

  /// A callback of, or for, this object runs.
  void enter(const char* what);
  void leave();
  void request_starts() { ++requests_; }
  void request_ends() { --requests_; }
  /// From now on it is over `antecedent` as well.
  void is_over(Node& antecedent) { late_antecedent_ = &antecedent; }
  /// Fails if the close of an antecedent has completed.
  void antecedents_must_live(const char* what) const;

 private:
  const char* kind_;
  unsigned number_;
  std::atomic<State> state_{State::none};
  std::atomic<bool> in_close_callback_{false};
  std::atomic<int> inside_{0};    // callbacks that run
  std::atomic<int> requests_{0};  // started, and not yet reported
  std::vector<Node*> antecedents_, successors_;
  std::atomic<const Node*> late_antecedent_{nullptr};
};

/// A call of a provider function, for as long as it runs.
class Calling {
 public:
  Calling();
  ~Calling();
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;
  /// This thread is in one.
  static bool is_this_thread();

 private:
  std::size_t slot_;
};

/// The frame of an event callback, which never runs inside a call of its own thread (R-DISC-18).
class Inside {
 public:
  Inside(Node& node, const char* what);
  ~Inside() {
    dwell();
    node_.leave();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Node& node_;
};

/// Whoever made a call and hears of its end: inside the callback, or before the call returns.
class Caller {
 public:
  /// Inside the completion callback of `call`, before it counts as done: the place for a close inside it.
  virtual void inside(class Call& call) = 0;
  /// Something is done.
  virtual void kick() = 0;

 protected:
  ~Caller() = default;
};

/// One call at a time of a function that may pend: exactly one result (R-CRT-01, R-REQ-01, R-CLS-01).
class Call {
 public:
  enum class Kind : std::uint8_t { create, request, close };
  Call(const char* function, Kind kind, Node& node, Caller& caller)
      : function_(function), kind_(kind), node_(node), caller_(caller) {}

  /// Makes it: `invoke()` calls the function with one of the callbacks below and `this`. Returns what that returned.
  template <class Invoke>
  NTSTATUS make(Invoke&& invoke) {
    begin();
    NTSTATUS returned;
    {
      const Calling calling;
      returned = invoke();
    }
    returns(returned);
    return returned;
  }
  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object);
  static VOID completed(PVOID context, NTSTATUS status);
  static VOID closed(PVOID context);

  bool is_idle() const { return stage_.load() == Stage::idle; }
  bool is_pending() const { return !is_idle() && !is_done(); }
  bool is_done() const { return stage_.load() == Stage::done; }
  NTSTATUS status() const { return status_; }
  bool was_called_back() const { return callbacks_.load() != 0; }
  /// Forgets the last result.
  void reset() { stage_ = Stage::idle; }
  /// Of a create: inline from `out`, or from the callback.
  NDK_OBJECT_HEADER* object() const { return object_; }
  void set_inline_object(NDK_OBJECT_HEADER* object) { object_ = object; }
  const char* function() const { return function_; }
  Node& node() const { return node_; }

 private:
  enum class Stage : std::uint8_t { idle, calling, calling_back, done };
  void begin();
  void returns(NTSTATUS returned);
  void call_back(NTSTATUS status, NDK_OBJECT_HEADER* object);
  void check_status(NTSTATUS status, bool is_inline) const;

  const char* function_;
  const Kind kind_;
  Node& node_;
  Caller& caller_;
  std::atomic<Stage> stage_{Stage::idle};
  std::atomic<int> callbacks_{0};
  NTSTATUS status_ = STATUS_PENDING;
  NDK_OBJECT_HEADER* object_ = nullptr;
};

/// An object of type T with the two calls of its life.
template <class T>
class Slot {
 public:
  Slot(const char* kind, const char* create, const char* close, unsigned number, Caller& caller)
      : node(kind, number),
        creation(create, Call::Kind::create, node, caller),
        closure(close, Call::Kind::close, node, caller) {}

  /// `invoke(completion, context, out)`.
  template <class Invoke>
  void make(Invoke&& invoke) {
    T* out = nullptr;
    creation.make([&] {
      const NTSTATUS returned = invoke(&Call::created, &creation, &out);
      if (returned == STATUS_SUCCESS && out != nullptr) creation.set_inline_object(&out->Header);
      return returned;
    });
  }
  T* get() const { return reinterpret_cast<T*>(creation.object()); }
  bool is_live() const { return node.state() == Node::State::live; }
  bool failed() const { return creation.is_done() && creation.status() != STATUS_SUCCESS; }
  /// For an object that an event handed over.
  void adopt(T* object) {
    creation.set_inline_object(&object->Header);
    node.creating();
    node.created(true);
  }
  /// True: the close was called now.
  bool close(NDK_FN_CLOSE_OBJECT function) {
    if (!node.start_close()) return false;
    NDK_OBJECT_HEADER* header = creation.object();
    closure.make([&] { return function(header, &Call::closed, &closure); });
    return true;
  }

  Node node;
  Call creation;
  Call closure;
};

}  // namespace softndk::workload
