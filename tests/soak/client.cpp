#include "talk.h"

namespace softndk::soak {
namespace {

class Client : Talk {
 public:
  Client(const Workplace& place, stack::OpenAdapter& adapter) : Talk(place, adapter) {}
  void run(const stack::Sockaddr& to) {
    if (meet(to)) {
      const unsigned wanted = 1 + random_.below(40);
      if (exchange(wanted)) part();
    }
    close();
  }

 private:
  /// What was begun last with a slot.
  struct Slot {
    bool is_busy = false;
    bool is_answered = false;
    bool is_writing = false;  ///< the memory is not ours again yet
    Note note;
  };

  bool meet(const stack::Sockaddr& to) {
    place_.watch.step("NdkConnect");
    const stack::Sockaddr from("127.0.0.1");
    stack::Request connecting;
    const bool shares = random_.one_in(4) && make_endpoint(from);
    const NTSTATUS returned = shares ? side_.begin_connect(connecting, endpoint_, to, {}, hello())
                                     : side_.begin_connect(connecting, from, to, {}, hello());
    const bool accepted = expect("NdkConnect", connecting.finish(returned),
                                 {STATUS_SUCCESS, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_ABORTED});
    if (!accepted) {
      place_.tally.refused.fetch_add(1);
      return false;
    }
    if (!learn_peer() || !post_receives()) return false;
    if (random_.one_in(16)) {
      if (random_.one_in(2)) expect("NdkReject", side_.reject(), {STATUS_SUCCESS, STATUS_CONNECTION_ABORTED});
      return false;
    }
    place_.watch.step("NdkCompleteConnect");
    if (!expect("NdkCompleteConnect", side_.complete(), {STATUS_SUCCESS, STATUS_CONNECTION_ABORTED})) return false;
    place_.tally.established.fetch_add(1);
    return true;
  }

  /// False: the connection is over, or it is time to close in the middle of it all.
  bool exchange(unsigned wanted) {
    unsigned begun = 0, busy = 0;
    for (;;) {
      for (unsigned slot = 0; slot < kSlots && begun < wanted; ++slot) {
        if (slots_[slot].is_busy) continue;
        if (!begin(slot)) return false;
        ++begun;
        ++busy;
      }
      if (busy == 0) return true;
      if (random_.one_in(400)) return false;
      const Done done = next();
      switch (done.kind) {
        case Kind::none:
          return false;
        case Kind::receive: {
          const Note answer = note_in(done.index);
          if (!post_receive(done.index)) return false;
          if (answer.word != Word::answer || answer.slot >= kSlots || !slots_[answer.slot].is_busy) {
            place_.report.complain("an answer to nothing");
            return false;
          }
          slots_[answer.slot].is_answered = true;
          if (!finish(answer.slot)) break;
          --busy;
          break;
        }
        case Kind::read:
          check_octets(memory(own_at(done.index)), slots_[done.index].note.bytes, slots_[done.index].note.seed,
                       "read back what was written");
          slots_[done.index].is_busy = false;
          --busy;
          break;
        case Kind::write:
          slots_[done.index].is_writing = false;
          static_cast<void>(finish(done.index));  // it is read back first
          break;
        case Kind::note:
          break;
      }
    }
  }

  bool begin(unsigned slot) {
    constexpr Word kWords[] = {Word::look_at_this, Word::look_at_slot, Word::read_my_slot, Word::write_my_slot};
    Slot& now = slots_[slot];
    now = {};
    now.is_busy = true;
    now.note = {.word = kWords[random_.below(4)], .slot = slot, .bytes = 0, .reserved = 0, .seed = random_.next()};
    now.note.bytes = random_.one_in(8) ? 0 : random_.below(kSlotBytes + 1);
    switch (now.note.word) {
      case Word::look_at_this: {
        std::uint8_t octets[kNoteBytes];
        now.note.bytes %= kNoteBytes - sizeof(Note) + 1;
        write_octets(octets, now.note.bytes, now.note.seed);
        return send(now.note, octets);
      }
      case Word::look_at_slot:
        write_octets(memory(own_at(slot)), now.note.bytes, now.note.seed);
        now.is_writing = true;
        return write_to_peer(slot, now.note.bytes) && send(now.note);
      case Word::read_my_slot:
        write_octets(memory(exposed_at(slot)), now.note.bytes, now.note.seed);
        return send(now.note);
      case Word::write_my_slot:
        return send(now.note);
      case Word::leave:
      case Word::answer:
        break;
    }
    return false;
  }

  /// When a slot has its answer, and its memory. False: there is more to do with it.
  bool finish(unsigned slot) {
    Slot& now = slots_[slot];
    if (!now.is_answered || now.is_writing) return false;
    if (now.note.word == Word::look_at_slot) {
      std::memset(memory(own_at(slot)), 0, now.note.bytes);
      static_cast<void>(read_from_peer(slot, now.note.bytes));  // refused: next() will find out why
      return false;
    }
    if (now.note.word == Word::write_my_slot)
      check_octets(memory(exposed_at(slot)), now.note.bytes, now.note.seed, "what the peer has written");
    now.is_busy = false;
    return true;
  }

  /// All is said; who leaves first?
  void part() {
    switch (random_.below(4)) {
      case 0:
        return;  // abortive
      case 1: {
        Note leave;
        leave.word = Word::leave;
        if (!send(leave)) return;
        while (next().kind != Kind::none) {
        }
        if (random_.one_in(2)) disconnect();
        return;
      }
      default:
        disconnect();
        return;
    }
  }

  Slot slots_[kSlots];
};

}  // namespace

void run_client(const Workplace& place, stack::OpenAdapter& adapter, const stack::Sockaddr& to) {
  Client(place, adapter).run(to);
}

}  // namespace softndk::soak
