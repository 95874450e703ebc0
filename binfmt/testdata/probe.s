	.text
	.global _start
_start:
	mov	x8, #64
	mov	x0, #1
	adr	x1, text
	mov	x2, #11
	svc	#0
	sub	x0, x0, #11
	mov	x8, #94
	svc	#0
text:
	.ascii	"aarch64 ok\n"
