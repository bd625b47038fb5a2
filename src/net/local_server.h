#pragma once
#include <sys/un.h>

#include <array>

#include "base/alloc.h"
#include "base/thread_safety.h"
#include "io/document_server.h"
#include "net/processor.h"
#include "net/sys.h"

namespace softndk::net {

/// A document server on a UNIX stream socket. Readers are processes of the same user, or root's; others are cut off
/// before a document is made for them.
///
/// However many readers there are and whatever they do, this costs kReadersMax documents at most and never a wait:
/// further ones stay in the kernel's backlog, and who does not take its document within kTakeLimit_ns loses it.
class LocalServer final : public io::DocumentServer, private EventSource {
 public:
  static constexpr std::size_t kReadersMax = 16;
  static constexpr io::TimeNs kTakeLimit_ns = 2 * io::kSecond;

  /// `directory` empty: the abstract name "softndk/PID" of this network namespace, which goes with the process. Else
  /// the file "softndk-PID.sock" there, for this user alone; the directory is made if it is missing (not its parents),
  /// and what a dead process of that number left is replaced. `source` outlives on_server_closed().
  static expected<OwnedInterface<LocalServer>, io::IoError> open(const char* directory, io::DocumentSource& source,
                                                                 Processor& processor) noexcept;
  ~LocalServer() override;

  expected<void, io::IoError> start() noexcept override;
  void answer(Array<char> document) noexcept override SOFTNDK_EXCLUDES(lock_);
  void close() noexcept override;
  /// Removes the file, if there is one, and nothing else: for a process that ends without close().
  void unlink() noexcept;

  /// For open().
  LocalServer(io::DocumentSource& source, Processor& processor, sys::Fd listening, const sockaddr_un& name) noexcept;

 private:
  /// Shared by the readers that waited for it.
  struct Document {
    Array<char> octets;
    unsigned readers = 0;
  };
  /// free --connects--> waiting --on_readers()--> asked --answer()--> taking --all taken, too late, gone--> free
  struct Reader final : EventSource {
    enum class Phase : std::uint8_t { free, waiting, asked, taking };
    void on_events(std::uint32_t) noexcept override { server->on_reader_events(*this); }
    LocalServer* server = nullptr;
    Phase phase = Phase::free;
    sys::Fd fd;
    Document* document = nullptr;
    std::size_t taken_bytes = 0;
    io::TimeNs deadline_ns = io::kNever;
  };
  struct OwnedTask : io::Task {
    OwnedTask(LocalServer& owner, Run run) : Task(run), server(owner) {}
    LocalServer& server;
  };
  struct OwnedTimer : io::Timer {
    OwnedTimer(LocalServer& owner, Run run) : Timer(run), server(owner) {}
    LocalServer& server;
  };

  // All below: on the processor's thread.
  void on_events(std::uint32_t events) noexcept override;
  void on_reader_events(Reader& reader) noexcept;
  bool accept_one(Reader& into) noexcept;
  void watch_newcomers(bool wanted) noexcept;
  void ask() noexcept;
  void hand_out() noexcept SOFTNDK_EXCLUDES(lock_);
  void push(Reader& reader) noexcept;
  void dismiss(Reader& reader) noexcept;
  static void release(Document* document) noexcept;
  void look_at_clock() noexcept;
  void finish_closing() noexcept SOFTNDK_EXCLUDES(lock_);

  // Constant after construction.
  io::DocumentSource& source_;
  Processor& processor_;
  const sockaddr_un name_;

  OwnedTask answer_task_;
  OwnedTask close_task_;
  OwnedTimer timer_;

  sys::Fd listening_;
  bool watches_newcomers_ = true;  ///< from start() on
  bool asking_ = false;            ///< between on_readers() and the hand-out of its answer
  std::array<Reader, kReadersMax> readers_;

  Mutex lock_;
  Owned<Document> answer_ SOFTNDK_GUARDED_BY(lock_);
  bool answered_ SOFTNDK_GUARDED_BY(lock_) = false;
  bool closing_ SOFTNDK_GUARDED_BY(lock_) = false;
};

}  // namespace softndk::net
