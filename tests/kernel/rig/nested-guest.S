/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a nested guest runs instead of a firmware and a system: 64 KiB, in real mode, from the reset
 * vector at the end.
 *
 * It finds its devices on PCI bus 0 (the kernel's mtty, and vferry_testdev), gives them their
 * addresses, and writes a marker into each. Then, 18 times a second (the timer's slowest), it
 * counts, in RAM and in each test device, and writes the count to a few pages. Every second time it
 * tells a line on port 0xe9, with what RAM and devices have:
 *
 *     0000002a 05:000000c0 06:cafe00c0,00000029
 *
 * the count; of each device its slot, its marker (of mtty the lowest byte, in the scratch register of
 * its first port) and, of a test device, what was counted there before. Between the ticks it sleeps.
 *
 * It takes no notice of a migration, so what two QEMUs wrote to their ports is together one text: a
 * line begun here is ended there. "begin" is in it once for each reset.
 */

/* What the command line puts there (-device loader,addr=…,data=…,data-len=4). */
MARKER = 0x6000
PAGES = 0x6004 /* to write in a tick; 0 to 128 */

COUNT = 0x600
CURSOR = 0x604
DEVICES = 0x608 /* how many */
TABLE = 0x610   /* of each: slot (word), and port or segment (word); ports are below SEGMENTS */

DEBUG = 0xe9
MTTY = 0x32534348
TESTDEV = 0x00017e57
PORTS = 0xc000
SEGMENTS = 0xd000
SCRATCH = 7    /* of a UART */
AT_COUNT = 0x10 /* in a test device's bank */
AT_MARKER = 0x20
DIRTY = 0x1000 /* segment of the 128 pages that are written in turn */

    .macro port number value
    mov $\value, %al
    out %al, $\number
    .endm

    .code16
    .text
    .globl _start
_start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7c00, %sp
    movl $0, COUNT
    movl $0, CURSOR
    movw $0, DEVICES
    mov $begin, %si
1:  lods %cs:(%si), %al
    out %al, $DEBUG
    cmp $'\n', %al
    jne 1b
    call find_devices

    call open_apic
    movw $on_tick, 4 * 8
    movw %cs, 4 * 8 + 2
    port 0x20 0x11 /* the interrupt controller: from vector 8 on, only the timer */
    port 0x21 8
    port 0x21 4
    port 0x21 1
    port 0x21 0xfe
    port 0x43 0x34 /* the timer: 1193182 / 65536 times a second */
    port 0x40 0
    port 0x40 0

forever:
    sti
    hlt
    cli
    incl COUNT
    call write_pages
    testb $1, COUNT
    jnz 1f
    call report
1:  call count_in_devices
    jmp forever

on_tick:
    push %ax
    port 0x20 0x20
    pop %ax
    iret

/* Lets the interrupt controller's interrupts through the local APIC, which is beyond real mode: a
 * segment that was loaded in protected mode keeps its limit. */
open_apic:
    lgdtl %cs:table_of_segments
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $8, %bx
    mov %bx, %es
    and $~1, %al
    mov %eax, %cr0
    mov $0xfee00000, %edi
    movl $0x1ff, %es:0xf0(%edi)  /* enabled */
    movl $0x700, %es:0x350(%edi) /* LINT0: ExtINT */
    ret

/* bx: a slot; al: a register of its configuration space. Ends with dx at the data port. */
select:
    movzbl %al, %eax
    movzwl %bx, %edx
    shl $11, %edx
    or %edx, %eax
    or $0x80000000, %eax
    mov $0xcf8, %dx
    out %eax, %dx
    mov $0xcfc, %dx
    ret

find_devices:
    xor %bx, %bx
1:  mov $0, %al
    call select
    in %dx, %eax
    cmp $MTTY, %eax
    je mtty
    cmp $TESTDEV, %eax
    je testdev
next:
    inc %bx
    cmp $32, %bx
    jb 1b
    ret

/* bx: slot, cx: where it is to be found */
enlist:
    mov DEVICES, %di
    incw DEVICES
    shl $2, %di
    mov %bx, TABLE(%di)
    mov %cx, TABLE + 2(%di)
    ret

mtty:
    mov %bx, %cx
    shl $8, %cx
    add $PORTS, %cx
    mov $0x10, %al
    call select
    movzwl %cx, %eax
    out %eax, %dx
    mov $4, %al
    call select
    mov $1, %ax
    out %ax, %dx
    mov %cx, %dx
    add $SCRATCH, %dx
    mov MARKER, %al
    out %al, %dx
    call enlist
    jmp next

testdev:
    mov %bx, %cx
    shl $8, %cx
    add $SEGMENTS, %cx
    mov $0x10, %al
    call select
    movzwl %cx, %eax
    shl $4, %eax
    out %eax, %dx
    mov $4, %al
    call select
    mov $2, %ax
    out %ax, %dx
    mov %cx, %es
    mov MARKER, %eax
    mov %eax, %es:AT_MARKER
    call enlist
    jmp next

write_pages:
    mov PAGES, %cx
    mov COUNT, %eax
    jcxz 2f
1:  mov CURSOR, %bx
    inc %bx
    and $127, %bx
    mov %bx, CURSOR
    shl $8, %bx
    add $DIRTY, %bx
    mov %bx, %es
    mov %eax, %es:0
    loop 1b
2:  ret

count_in_devices:
    mov COUNT, %eax
    mov $TABLE, %si
    mov DEVICES, %cx
    jcxz 3f
1:  mov 2(%si), %bx
    cmp $SEGMENTS, %bx
    jb 2f
    mov %bx, %es
    mov %eax, %es:AT_COUNT
2:  add $4, %si
    loop 1b
3:  ret

report:
    mov COUNT, %eax
    call tell
    mov $TABLE, %si
    mov DEVICES, %cx
    jcxz 4f
1:  push %cx
    port DEBUG ' '
    mov (%si), %eax
    shl $24, %eax
    mov $2, %cx
    call tell_digits
    port DEBUG ':'
    mov 2(%si), %bx
    cmp $SEGMENTS, %bx
    jae 2f
    lea SCRATCH(%bx), %dx
    xor %eax, %eax
    in %dx, %al
    call tell
    jmp 3f
2:  mov %bx, %es
    mov %es:AT_MARKER, %eax
    call tell
    port DEBUG ','
    mov %es:AT_COUNT, %eax
    call tell
3:  add $4, %si
    pop %cx
    loop 1b
4:  port DEBUG '\n'
    ret

tell:
    mov $8, %cx
/* eax: its cx upper digits */
tell_digits:
    rol $4, %eax
    push %ax
    and $15, %al
    add $'0', %al
    cmp $'9', %al
    jbe 1f
    add $'a' - '9' - 1, %al
1:  out %al, $DEBUG
    pop %ax
    loop tell_digits
    ret

    .balign 8
segments:
    .quad 0, 0x00cf92000000ffff /* from 0 on, 4 GiB */
table_of_segments:
    .word 15
    .long 0xf0000 + segments
begin:
    .ascii "begin\n"

    .org 0xfff0
    ljmp $0xf000, $_start
    .org 0x10000
