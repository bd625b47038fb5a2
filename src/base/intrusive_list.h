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
  /// The element after `element`, or null at the end.
  T* after(T& element) {
    ListLink* link = static_cast<ListLink&>(element).next;
    return link == &head_ ? nullptr : static_cast<T*>(link);
  }
  void push_back(T& element) {
    ListLink& link = element;
    link.previous = head_.previous;
    link.next = &head_;
    head_.previous->next = &link;
    head_.previous = &link;
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
