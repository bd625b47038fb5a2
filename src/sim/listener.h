#pragma once
#include <deque>
#include <memory>

#include "sim/connection.h"

namespace softndk::sim {

/// A listening port. Connections wait here, established, until the accept sink is asked for them.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(Core& core, Ports::Hold hold, unsigned backlog, io::AcceptSink& sink, Processor& processor);

  const Address& local_address() const { return local_; }
  bool refuses() const { return paused_ || closed_; }
  bool is_closed() const { return closed_; }
  bool has_heard_the_last() const { return in_last_event_; }
  /// As on Linux, one more than the backlog may wait; beyond, SYNs are dropped and come again.
  bool is_full() const { return waiting_.size() > backlog_; }
  /// An established connection, to be handed over.
  void enqueue(std::shared_ptr<Connection> connection);

  void pause();
  expected<void, io::IoError> resume();
  void close();

 private:
  void hand_over_one();
  void refuse_waiting();

  Core& core_;
  const Address local_;
  Ports::Hold hold_;
  const unsigned backlog_;
  io::AcceptSink& sink_;
  Processor& processor_;
  std::deque<std::shared_ptr<Connection>> waiting_;
  bool paused_ = false;
  bool closed_ = false;
  bool in_last_event_ = false;
};

/// The program's hold on a listener.
class Acceptor final : public io::Acceptor {
 public:
  explicit Acceptor(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}
  ~Acceptor() override;
  void pause() noexcept override;
  expected<void, io::IoError> resume() noexcept override;
  void close() noexcept override;
  const Address& local_address() const noexcept override;

 private:
  std::shared_ptr<Listener> listener_;
};

}  // namespace softndk::sim
