/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an error log: reading lines never reads beyond them, and a verdict always comes out.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recovery_report r;
    const char *at = (const char *)data;
    recovery_report_init(&r);
    while (size > 0) {
        const char *newline = memchr(at, '\n', size);
        size_t n = newline != NULL ? (size_t)(newline - at) : size;
        char *line = malloc(n > 0 ? n : 1); /* of exactly this size, for AddressSanitizer */
        if (line == NULL)
            abort();
        memcpy(line, at, n);
        recovery_report_line(&r, line, n);
        free(line);
        n += newline != NULL;
        at += n;
        size -= n;
    }
    for (int flavour = 0; flavour < GTID_FLAVOUR_COUNT; flavour++)
        (void)recovery_verdict_id(
            recovery_judge(&r, (enum gtid_flavour)flavour, 3, "/d/m1-bin.000002", 1192));
    return 0;
}
