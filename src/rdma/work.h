#pragma once
// Work requests and completions, as a provider hands them to a device and gets them back. Verbs' words; no NDK types.
#include <cstdint>
#include <span>

namespace softndk::rdma {

/// A memory key, local or remote. 0 is never valid.
using Token = std::uint32_t;

struct Sge {
  /// Virtual address inside the token's region; with a privileged token, a logical address; with inline data, a plain
  /// pointer (R-WR-18).
  std::uint64_t address;
  std::uint32_t length_bytes;
  Token token;
};

enum class Operation : std::uint8_t {
  send,
  send_invalidate,
  write,
  read,
  receive,
  receive_invalidate,  ///< completions only: a receive whose Send invalidated a token of ours
  fast_register,
  bind,
  invalidate,
};

/// Bits of an initiator request.
struct WorkFlags {
  bool silent : 1 = false;            ///< a success leaves no completion
  bool read_fence : 1 = false;        ///< starts only after all earlier reads of the queue completed
  bool solicited : 1 = false;         ///< send family: may wake a peer that armed for solicited events
  bool inline_data : 1 = false;       ///< send family and write: captured before the post returns, tokens ignored
  bool defer : 1 = false;             ///< a hint: more follows
  bool local_invalidate : 1 = false;  ///< read: the first sge's token is invalid afterwards
};

struct WindowWork;      // rdma/memory.h
struct FastRegionWork;  // likewise

struct SendWork {
  Operation operation = Operation::send;
  WorkFlags flags;
  void* context = nullptr;
  std::span<const Sge> sges = {};               ///< read only during the call
  std::uint64_t remote_address = 0;             ///< write, read
  Token remote_token = 0;                       ///< write, read; send_invalidate: what the peer shall invalidate
  const WindowWork* window = nullptr;           ///< bind, invalidate of a window; read only during the call
  const FastRegionWork* fast_region = nullptr;  ///< fast_register, invalidate of such a region; likewise
};

struct ReceiveWork {
  void* context = nullptr;
  std::span<const Sge> sges;  ///< read only during the call
};

/// Why a post was not taken. Nothing has changed, and no completion will follow.
enum class PostError : std::uint8_t {
  not_connected,  ///< initiator posts before, and after, the connection
  queue_full,
  too_many_sges,
  too_long,       ///< more than the message limit, or inline data above the queue pair's
  no_read_limit,  ///< a read where the negotiated outbound limit is 0
  no_resources,   ///< memory
  bad_page,       ///< fast_register: not the address of a page of a mapping
  unsupported,
};

enum class WorkStatus : std::uint8_t {
  success,
  cancelled,         ///< flushed
  local_access,      ///< an sge's token, range, rights or domain is wrong
  remote_access,     ///< reads only: the peer refused the token or the right
  remote_resources,  ///< reads only: beyond the remote memory, or the remote end failed
  receive_too_small,
  wrong_state,
  internal,
};

struct Completion {
  void* request_context;
  void* qp_context;
  std::uint32_t bytes;  ///< receives: the message's length; else 0
  WorkStatus status;
  Operation operation;
  bool solicited;             ///< receives: the Send asked for an event
  Token invalidated_token;    ///< receive_invalidate
  std::uint32_t device_code;  ///< 0 on success; else a code for the log (a Terminate's layer, type and code)
};

}  // namespace softndk::rdma
