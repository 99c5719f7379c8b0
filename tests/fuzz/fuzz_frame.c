/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a stream of frames: every frame lies inside the input, the splitter always gets
 * further or stops, and a HELLO that decodes survives encoding. A HELLO may be shorter than ours
 * (an older agent's) or longer (a newer one's): what both have is the same, byte for byte.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static void check_hello(const uint8_t *payload, size_t len)
{
    struct frame_hello a;
    struct frame_hello b;
    uint8_t buf[FRAME_HELLO_MAX];
    size_t used;
    if (frame_hello_decode(payload, len, &a) != 0)
        return;
    check(memchr(a.name, '\0', sizeof(a.name)) != NULL);
    check(memchr(a.agent, '\0', sizeof(a.agent)) != NULL);
    check(frame_hello_encode(&a, buf, sizeof(buf), &used) == 0);
    check(memcmp(buf, payload, used < len ? used : len) == 0);
    check(frame_hello_decode(buf, used, &b) == 0);
    check(frame_verdict_text(b.verdict) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (;;) {
        struct frame f;
        size_t need;
        if (frame_split(data + at, size - at, &f, &need) != 0)
            break;
        if (need != 0) {
            check(need > size - at && need <= FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX);
            break;
        }
        check(f.size == FRAME_HEADER_SIZE + f.header.length && f.size <= size - at);
        check(f.payload == data + at + FRAME_HEADER_SIZE);
        if (f.header.kind == FRAME_HELLO)
            check_hello(f.payload, f.header.length);
        at += f.size;
    }
    check_hello(data, size);
    return 0;
}
