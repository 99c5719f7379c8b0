/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/backoff.h"

static void test_rests_double_up_to_the_limit(void **state)
{
    static const struct {
        int64_t first, max;
        unsigned failures;
        int64_t rest;
    } cases[] = {
        {200, 30000, 0, 200},
        {200, 30000, 1, 400},
        {200, 30000, 7, 25600},
        {200, 30000, 8, 30000},
        {200, 30000, UINT32_MAX, 30000},
        {5, 5, 3, 5},
        {4, 8, 1, 8},
        {1, INT64_MAX, 100, INT64_MAX},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(backoff(cases[i].first, cases[i].max, cases[i].failures), cases[i].rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rests_double_up_to_the_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
