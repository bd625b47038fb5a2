#pragma once
// A doubly linked list whose links lie in the elements: membership costs no allocation, removal needs no search.

namespace softndk {

struct ListLink {
  ListLink* next = nullptr;
  ListLink* previous = nullptr;
  bool is_linked() const { return next != nullptr; }
};

/// Elements derive from ListLink (or a tagged subclass of it). The list owns nothing.
template <class T>
class IntrusiveList {
 public:
  constexpr IntrusiveList() { head_.next = head_.previous = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  bool empty() const { return head_.next == &head_; }
  T* front() { return empty() ? nullptr : static_cast<T*>(head_.next); }
  T* back() { return empty() ? nullptr : static_cast<T*>(head_.previous); }
  /// The element after `element`, or null at the end.
  T* after(T& element) {
    ListLink* link = static_cast<ListLink&>(element).next;
    return link == &head_ ? nullptr : static_cast<T*>(link);
  }
  /// The element before `element`, or null at the beginning.
  T* before(T& element) {
    ListLink* link = static_cast<ListLink&>(element).previous;
    return link == &head_ ? nullptr : static_cast<T*>(link);
  }
  void push_back(T& element) { insert_after(back(), element); }
  /// Null: at the beginning.
  void insert_after(T* place, T& element) {
    ListLink& before = place == nullptr ? head_ : static_cast<ListLink&>(*place);
    ListLink& link = element;
    link.previous = &before;
    link.next = before.next;
    before.next->previous = &link;
    before.next = &link;
  }
  static void remove(T& element) {
    ListLink& link = element;
    link.previous->next = link.next;
    link.next->previous = link.previous;
    link.next = link.previous = nullptr;
  }
  T* pop_front() {
    T* element = front();
    if (element != nullptr) remove(*element);
    return element;
  }

 private:
  ListLink head_;
};

}  // namespace softndk
