/* What the generated sources hand to the test program: one element for each row of the tables, in their order. */
#ifndef SOFTNDK_TESTS_WDK_LAYOUT_ROWS_H
#define SOFTNDK_TESTS_WDK_LAYOUT_ROWS_H

#include <stddef.h>

struct LayoutRow {
  const char* structure;
  const char* field;
  size_t offset_bytes;
  size_t size_bytes;
};

struct LayoutRows {
  const struct LayoutRow* rows;
  size_t count;
};

#ifdef __cplusplus
extern "C" {
#endif
struct LayoutRows layout_rows_c(void);           /* a consumer in C, -fshort-wchar */
struct LayoutRows layout_rows_cpp(void);         /* a consumer in C++, -fshort-wchar */
struct LayoutRows layout_rows_cpp_library(void); /* a source of the library */
#ifdef __cplusplus
}
#endif

#endif
