#pragma once
// What the two ends of a connection of the soak say to one another, and the octets they check.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cycles/kinds.h"

namespace softndk::soak {

using cycles::Random;

/// A region is slots that the peer reads and writes, slots of our own, and notes to receive and to send.
inline constexpr unsigned kSlots = 4;
inline constexpr unsigned kNotes = 16;  ///< receives, and notes to send: four times what can be unanswered
inline constexpr std::size_t kSlotBytes = 16 * 1024;
inline constexpr std::size_t kNoteBytes = 1024;
inline constexpr std::size_t exposed_at(unsigned slot) {
  return slot * kSlotBytes;
}
inline constexpr std::size_t own_at(unsigned slot) {
  return (kSlots + slot) * kSlotBytes;
}
inline constexpr std::size_t receive_at(unsigned index) {
  return 2 * kSlots * kSlotBytes + index * kNoteBytes;
}
inline constexpr std::size_t note_at(unsigned index) {
  return receive_at(kNotes) + index * kNoteBytes;
}
inline constexpr std::size_t kRegionBytes = note_at(kNotes);

/// The private data of both directions: where the sender's region is.
struct Hello {
  static constexpr std::uint64_t kMagic = 0x6b616f73'6b646e73;
  std::uint64_t magic = kMagic;
  std::uint64_t address = 0;
  std::uint32_t token = 0;
  std::uint32_t reserved = 0;
};

enum class Word : std::uint32_t {
  look_at_this,   ///< the note itself carries octets
  look_at_slot,   ///< we have written into your slot
  read_my_slot,   ///< read ours and look at it
  write_my_slot,  ///< write into ours
  leave,          ///< disconnect
  answer,         ///< done, what the slot's last note said
};

/// A Send. Octets may follow it.
struct Note {
  Word word = Word::answer;
  std::uint32_t slot = 0;
  std::uint32_t bytes = 0;
  std::uint32_t reserved = 0;
  std::uint64_t seed = 0;  ///< of the octets
};

inline void write_octets(std::uint8_t* to, std::size_t bytes, std::uint64_t seed) {
  Random octets(seed);
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t word = octets.next();
    std::memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
  }
}

inline bool are_octets(const std::uint8_t* from, std::size_t bytes, std::uint64_t seed) {
  Random octets(seed);
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t word = octets.next();
    if (std::memcmp(from + i, &word, bytes - i < 8 ? bytes - i : 8) != 0) return false;
  }
  return true;
}

}  // namespace softndk::soak
