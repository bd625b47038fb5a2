#pragma once
// One end of one connection, from its objects' creation to their close in random order.
#include <optional>

#include "report.h"
#include "runtime/ndk_consumer.h"
#include "words.h"

namespace softndk::soak {

/// What a worker has at hand.
struct Workplace {
  Report& report;
  Tally& tally;
  Watch& watch;
  Random& random;
};

class Talk {
 protected:
  Talk(const Workplace& place, stack::OpenAdapter& adapter);

  enum class Kind : std::uint8_t { none, receive, note, write, read };
  struct Done {
    Kind kind = Kind::none;  ///< none: the connection is over
    unsigned index = 0;      ///< of the note, or the slot
  };
  /// The next request that is done. With kind `none`: the peer has left, or a request was cancelled, as lost() says.
  Done next();
  bool is_lost() const { return lost_; }
  bool is_left() const { return side_.disconnects.load() != 0; }

  // False: refused, for the connection is over.
  bool post_receive(unsigned index);
  bool post_receives();
  bool send(const Note& note, const void* octets = nullptr);
  bool write_to_peer(unsigned slot, std::size_t bytes);
  bool read_from_peer(unsigned slot, std::size_t bytes);

  std::string_view hello() const { return {reinterpret_cast<const char*>(&hello_), sizeof hello_}; }
  /// What the peer's private data says; false: it has not said hello.
  bool learn_peer();
  Note note_in(unsigned index) const;
  std::uint8_t* octets_of_note(unsigned index) { return memory(receive_at(index)) + sizeof(Note); }
  std::uint8_t* memory(std::size_t offset) { return region_.memory.data + offset; }
  /// `what` names them for the complaint.
  void check_octets(const std::uint8_t* octets, std::size_t bytes, std::uint64_t seed, const char* what);
  /// Complains unless `status` is one of `allowed`, and says whether it is STATUS_SUCCESS.
  bool expect(const char* what, NTSTATUS status, std::initializer_list<NTSTATUS> allowed);
  bool make_endpoint(const stack::Sockaddr& at);
  bool disconnect();

  /// Closes everything, in any order, whatever goes on; and accounts for every request. The last call.
  void close();

  const Workplace place_;
  Random& random_;
  stack::Side side_;
  stack::Region region_;
  stack::Object<NDK_SHARED_ENDPOINT> endpoint_;  ///< if we connect over one

 private:
  bool take(NDK_RESULT_EX& result);
  bool posted(const char* what, NTSTATUS status);

  Hello hello_;
  Hello peer_;
  unsigned next_note_ = 0;
  unsigned posted_ = 0;
  unsigned completed_ = 0;
  bool lost_ = false;
};

/// The side that connects. Returns when everything is closed.
void run_client(const Workplace& place, stack::OpenAdapter& adapter, const stack::Sockaddr& to);
/// The side that was asked.
void run_server(const Workplace& place, stack::OpenAdapter& adapter, NDK_CONNECTOR* connector);

}  // namespace softndk::soak
