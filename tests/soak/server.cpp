#include "talk.h"

namespace softndk::soak {
namespace {

class Server : Talk {
 public:
  Server(const Workplace& place, stack::OpenAdapter& adapter) : Talk(place, adapter) {}
  void run(NDK_CONNECTOR* connector) {
    side_.connector = stack::Object<NDK_CONNECTOR>(connector);
    if (accept()) serve();
    close();
  }

 private:
  bool accept() {
    if (random_.one_in(12)) {
      if (random_.one_in(2)) expect("NdkReject", side_.reject(), {STATUS_SUCCESS, STATUS_CONNECTION_ABORTED});
      return false;  // R-CLS-18
    }
    if (!learn_peer() || !post_receives()) return false;
    stack::Request accepting;
    place_.watch.step("NdkAccept");
    const NTSTATUS returned = side_.begin_accept(accepting, {}, hello());
    if (random_.one_in(16)) {
      side_.connector.close();  // completes the accept too, one way or the other
      expect("NdkAccept, closed", accepting.finish(returned),
             {STATUS_SUCCESS, STATUS_CANCELLED, STATUS_CONNECTION_ABORTED});
      return false;
    }
    if (!expect("NdkAccept", accepting.finish(returned), {STATUS_SUCCESS, STATUS_CONNECTION_ABORTED})) return false;
    place_.tally.established.fetch_add(1);
    return true;
  }

  void serve() {
    for (;;) {
      const Done done = next();
      switch (done.kind) {
        case Kind::none:
          if (!is_lost() && random_.one_in(2)) disconnect();  // else the close answers the peer (R-CLS-20)
          return;
        case Kind::receive: {
          if (random_.one_in(400)) return;
          const Note note = note_in(done.index);
          if (note.word == Word::leave) {
            disconnect();
            return;
          }
          const bool taken = note.slot < kSlots && note.bytes <= kSlotBytes && take(note, octets_of_note(done.index));
          if (!taken || !post_receive(done.index)) return;  // the connection is over, as far as posts go
          break;
        }
        case Kind::read:
          check_octets(memory(own_at(done.index)), reads_[done.index].bytes, reads_[done.index].seed,
                       "what was read from the peer");
          static_cast<void>(answer(done.index));
          break;
        case Kind::write:
          static_cast<void>(answer(done.index));  // not before: the peer may want the slot again at once
          break;
        case Kind::note:
          break;
      }
    }
  }

  bool take(const Note& note, const std::uint8_t* octets) {
    switch (note.word) {
      case Word::look_at_this:
        check_octets(octets, note.bytes, note.seed, "a Send");
        return answer(note.slot);
      case Word::look_at_slot:
        check_octets(memory(exposed_at(note.slot)), note.bytes, note.seed, "a Write");
        return answer(note.slot);
      case Word::read_my_slot:
        reads_[note.slot] = note;
        return read_from_peer(note.slot, note.bytes);
      case Word::write_my_slot:
        write_octets(memory(own_at(note.slot)), note.bytes, note.seed);
        return write_to_peer(note.slot, note.bytes);
      case Word::leave:
      case Word::answer:
        break;
    }
    place_.report.complain("a note that is none");
    return false;
  }

  bool answer(unsigned slot) {
    Note note;
    note.slot = slot;
    return send(note);
  }

  Note reads_[kSlots];
};

}  // namespace

void run_server(const Workplace& place, stack::OpenAdapter& adapter, NDK_CONNECTOR* connector) {
  Server(place, adapter).run(connector);
}

}  // namespace softndk::soak
