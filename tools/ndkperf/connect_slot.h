#pragma once
// A connection that carries nothing, on either side: its queue pair and its connector, made, connected and taken down
// by calls that follow each other in their callbacks, as a driver does it that does not want to lose a thread's turn
// for each of them. Every call may return its result or pend (spec/ndkpi.md 3.1); nothing here depends on which.
#include <atomic>
#include <cstdint>
#include <span>

#include "tools/common/common_options.h"  // the option library, before the WDK defines a word of it
#include "tools/common/ndk_connection.h"

namespace softndk::tools {

/// What connections of one side have in common.
struct ConnectShared {
  const Adapter* adapter;
  const Pd* pd;
  const Cq* cq;
  Address source{};       ///< active side
  Address destination{};  ///< active side
  std::span<const std::byte> private_bytes{};
};

/// The call that failed and what it returned.
struct ConnectTrouble {
  const char* call = nullptr;
  NTSTATUS status = STATUS_SUCCESS;
};

class ConnectSlot {
 public:
  /// Called on any thread when the slot is up or gone; what it returns is started next, nullptr for nothing. The slot
  /// may be gone before it returns.
  class Owner {
   public:
    virtual ConnectSlot* finished(ConnectSlot& slot) = 0;

   protected:
    ~Owner() = default;
  };

  ConnectSlot() = default;
  ConnectSlot(const ConnectSlot&) = delete;
  ConnectSlot& operator=(const ConnectSlot&) = delete;
  void init(const ConnectShared& shared, Owner& owner) {
    shared_ = &shared;
    owner_ = &owner;
  }

  /// Active side. Which way is_up() says: up from nothing, or down from being up.
  static void start(ConnectSlot* slot);
  /// Passive side: takes over what a connect event delivered. Goes down by itself when the peer has disconnected.
  void accept(NDK_CONNECTOR* incoming);

  bool is_up() const { return step_ == Step::up; }
  /// Of the last way.
  std::uint64_t took_ns() const { return took_ns_; }
  const ConnectTrouble& trouble() const { return trouble_; }

 private:
  enum class Step : std::uint8_t {
    none,
    create_qp,
    create_connector,
    connect,
    complete_connect,
    accept,
    up,
    disconnect,
    close_connector,
    close_qp
  };

  static void run(ConnectSlot* slot, NTSTATUS status);
  /// The next step after one that returned `status`.
  Step next(NTSTATUS status);
  NTSTATUS call();

  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object);
  static VOID completed(PVOID context, NTSTATUS status);
  static VOID closed(PVOID context);
  static VOID disconnected(PVOID context);
  /// Passive side: accepted, and left by the peer; the second of the two takes it down.
  void note_end();

  const ConnectShared* shared_ = nullptr;
  Owner* owner_ = nullptr;
  Step step_ = Step::none;
  bool is_passive_ = false;
  std::uint64_t began_ns_ = 0;
  std::uint64_t took_ns_ = 0;
  ConnectTrouble trouble_;
  std::atomic<int> ends_{0};
  NDK_QP* qp_ = nullptr;
  NDK_CONNECTOR* connector_ = nullptr;
};

}  // namespace softndk::tools
