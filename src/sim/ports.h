#pragma once
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/expected.h"
#include "io/network.h"
#include "sim/options.h"

namespace softndk::sim {

/// Who holds which local address, and which 4-tuples exist: the rules of Linux's bind() and connect(), as far as
/// io::Network lets them be seen.
class Ports {
 public:
  enum class Use : std::uint8_t {
    listener,
    reservation,
    exclusive_stream,
    shared_stream,
    accepted_stream,  // at its listener's port, and staying there when the listener has gone
  };
  /// One holding; destroying it frees the address.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept { swap(other); }
    Hold& operator=(Hold&& other) noexcept {
      Hold(std::move(other)).swap(*this);
      return *this;
    }
    ~Hold();

   private:
    friend class Ports;
    void swap(Hold& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(entry_, other.entry_);
    }
    struct Entry {
      Use use;
      Address local;
      std::optional<Address> peer;
    };
    std::shared_ptr<std::list<Entry>> table_;  // shared: a Reservation may outlive its world
    std::list<Entry>::iterator entry_;
  };

  explicit Ports(std::vector<Interface> interfaces) : interfaces_(std::move(interfaces)) {}

  const std::vector<Interface>& interfaces() const { return interfaces_; }
  /// An address of an interface that is up; all of 127.0.0.0/8 if a loopback interface is.
  bool is_local(const Address& address) const;
  /// On the prefix of an interface: a neighbour, present or not.
  bool is_on_link(const Address& address) const;
  /// Both are addresses of one interface, or loopback.
  bool on_same_interface(const Address& one, const Address& other) const;
  expected<Address, io::IoError> source_for(const Address& remote) const;

  /// `local` may be the wildcard. Errors: address_not_local, address_in_use.
  expected<Hold, io::IoError> bind(const Address& local, Use use);
  /// For a stream to `peer`; a wildcard becomes source_for(peer) if there is a route. Errors: those of bind(),
  /// already_connected.
  expected<Hold, io::IoError> bind_stream(const Address& local, const Address& peer, Use use);
  /// The passive side of a stream; nothing stands against it.
  Hold bind_accepted(const Address& local, const Address& peer);
  static const Address& local_of(const Hold& hold) { return hold.entry_->local; }

 private:
  const Interface* interface_of(const Address& address) const;
  bool is_taken(const Address& local, Use use) const;
  Hold insert(Use use, const Address& local, std::optional<Address> peer);

  const std::vector<Interface> interfaces_;
  std::shared_ptr<std::list<Hold::Entry>> table_ = std::make_shared<std::list<Hold::Entry>>();
};

}  // namespace softndk::sim
