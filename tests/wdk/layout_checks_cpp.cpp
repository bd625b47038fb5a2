#define LAYOUT_ROWS layout_rows_cpp
#include "layout_checks.inc"
