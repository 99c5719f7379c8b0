/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two texts (split at the first '|') of each flavour: what parses is canonical, survives its own
 * text, and obeys the laws that tie contains, subtract, union and distance together.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/gtid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static void check_round_trip(const struct gtid_set *s)
{
    char text[16384];
    struct gtid_set again;
    struct gtid one, same;
    check(gtid_format(s, text, sizeof text) == 0);
    check(gtid_parse(text, s->flavour, &again) == 0);
    check(gtid_equal(s, &again));
    check(gtid_contains(s, s) && gtid_distance(s, s) == 0);
    check(gtid_max(s, &one) == !gtid_is_empty(s));
    if (!gtid_is_empty(s)) {
        check(gtid_contains_one(s, &one));
        gtid_format_one(&one, text, sizeof text);
        check(gtid_parse_one(text, s->flavour, &same) == 0 && gtid_one_equal(&one, &same));
    }
}

static void check_pair(const struct gtid_set *a, const struct gtid_set *b)
{
    struct gtid_set out;
    if (gtid_subtract(a, b, &out) == 0) {
        check_round_trip(&out);
        check(gtid_contains(b, a) == gtid_is_empty(&out));
        check(gtid_contains(a, &out));
    }
    check(gtid_contains(b, a) == (gtid_distance(a, b) == 0));
    if (gtid_union(a, b, &out) == 0) {
        check_round_trip(&out);
        check(gtid_contains(&out, a) && gtid_contains(&out, b));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2][2048] = {{0}};
    const uint8_t *bar = memchr(data, '|', size);
    size_t first = bar != NULL ? (size_t)(bar - data) : size;
    size_t rest = bar != NULL ? size - first - 1 : 0;
    if (first >= sizeof text[0] || rest >= sizeof text[1])
        return 0;
    memcpy(text[0], data, first);
    if (rest > 0)
        memcpy(text[1], bar + 1, rest);
    for (int flavour = 0; flavour < GTID_FLAVOUR_COUNT; flavour++) {
        struct gtid_set a, b;
        struct gtid one;
        (void)gtid_parse_one(text[0], (enum gtid_flavour)flavour, &one);
        if (gtid_parse(text[0], (enum gtid_flavour)flavour, &a) != 0)
            continue;
        check_round_trip(&a);
        if (gtid_parse(text[1], (enum gtid_flavour)flavour, &b) == 0) {
            check_pair(&a, &b);
            check_pair(&b, &a);
        }
    }
    return 0;
}
