/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rules.h"

enum { A = 1u << 0, B = 1u << 1, C = 1u << 2 };

static const char *const names[] = {"alpha", "beta", "gamma"};
static const char *const verdicts[] = {"no", "yes"};
static const struct rule rows[] = {
    {10, A | B, 0, 1, "both"},
    {20, A, C, 0, "a without c"},
    {30, 0, A, 1, "no a"},
    {50, 0, 0, 0, "else"},
};
static const struct rule_table table = {
    .name = "t",
    .rules = rows,
    .n_rules = 4,
    .fact_names = names,
    .n_facts = 3,
    .verdict_names = verdicts,
    .n_verdicts = 2,
};

static void test_first_match_decides(void **state)
{
    static const uint16_t want[8] = {30, 20, 30, 10, 30, 50, 30, 10};
    (void)state;
    for (uint32_t facts = 0; facts < 8; facts++)
        assert_int_equal(rules_decide(&table, facts)->id, want[facts]);
}

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(rules_find(&table, 10), &rows[0]);
    assert_ptr_equal(rules_find(&table, 50), &rows[3]);
    assert_null(rules_find(&table, 40));
    assert_null(rules_find(&table, 0));
}

static void test_facts_text(void **state)
{
    char buf[64];
    (void)state;
    assert_string_equal(rules_facts_text(&table, 0, buf, sizeof buf), "");
    assert_string_equal(rules_facts_text(&table, B, buf, sizeof buf), "beta");
    assert_string_equal(rules_facts_text(&table, A | C, buf, sizeof buf), "alpha, gamma");
    /* Bits without a name are not read. */
    assert_string_equal(rules_facts_text(&table, ~0u, buf, sizeof buf), "alpha, beta, gamma");
}

static void test_facts_text_is_cut(void **state)
{
    static const char whole[] = "alpha, beta, gamma";
    char buf[sizeof whole + 1];
    (void)state;
    for (size_t size = 1; size <= sizeof whole; size++) {
        memset(buf, '#', sizeof buf);
        assert_ptr_equal(rules_facts_text(&table, A | B | C, buf, size), buf);
        assert_int_equal(strlen(buf), size - 1);
        assert_memory_equal(buf, whole, size - 1);
        assert_int_equal(buf[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_match_decides),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_facts_text),
        cmocka_unit_test(test_facts_text_is_cut),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
