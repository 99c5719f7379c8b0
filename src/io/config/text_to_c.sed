# SPDX-License-Identifier: Apache-2.0
# Each line of a text as a C string literal.
s/[\\"]/\\&/g
s/^/"/
s/$/\\n"/
