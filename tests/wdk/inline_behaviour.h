/* Small programs in C over the inline half of the headers. Each returns 0, or the line of the first thing that was not
 * as it should be. */
#ifndef SOFTNDK_TESTS_WDK_INLINE_BEHAVIOUR_H
#define SOFTNDK_TESTS_WDK_INLINE_BEHAVIOUR_H

#ifdef __cplusplus
extern "C" {
#endif
int finally_runs_after_the_body_and_after_leave(void);
int except_handler_is_never_entered(void);
int leave_ends_the_innermost_try_only(void);
int break_inside_try_leaves_the_outer_loop(void);
int lists_keep_their_order(void);
int list_heads_can_be_copied_by_value(void);
int interlocked_gives_new_or_old_value_as_documented(void);
int interlocked_accepts_enums_and_typed_pointers(void);
int mdl_macros_count_pages_of_4096_bytes(void);
int initialised_mdl_describes_its_range(void);
int verify_is_an_expression_and_evaluates_once(void);
int severity_macros_tell_warnings_from_errors(void);
int multi_character_tags_have_msvc_values(void);
int wide_literals_are_utf16(void);
int wsk_versions_are_constants(void);
int guids_compare_by_value(void);
int initguid_makes_this_file_the_owner(void);
int products_of_32_bits_have_64(void);
int exception_label_does_not_leak_between_functions(void);

int remove_from_a_corrupted_list(void); /* ends in SoftNdkListCorrupted */
int fail_an_assertion(void);            /* ends in SoftNdkAssertFailed */
int run_paged_code(void);               /* calls SoftNdkPagedCode */
#ifdef __cplusplus
}
#endif

#endif
