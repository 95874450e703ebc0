package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// An authority is a CA and its key. It ends after a day.
type authority struct {
	cert *x509.Certificate
	der  []byte
	key  *ecdsa.PrivateKey
}

func newAuthority(name string) (a authority, err error) {
	now := time.Now()
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return a, err
	}
	a.der, err = x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	return a, err
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.der})
}

// NewAuthority returns, in PEM, the certificate of a CA that has signed nothing, and whose
// name is none of a server's.
func NewAuthority() ([]byte, error) {
	a, err := newAuthority("nixsd-native nobody")
	return a.pem(), err
}

// TestDomain has no hosts but those that a Proxy maps to a server (RFC 6761, section
// 6.2). A server's certificate is good for all of them.
const TestDomain = "nixsd.test"

// certificates makes a CA, returned in PEM, and a certificate of it for this machine and
// for TestDomain.
func certificates() (authority []byte, leaf tls.Certificate, err error) {
	ca, err := newAuthority("nixsd-native tests")
	if err != nil {
		return nil, leaf, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, leaf, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    ca.cert.NotBefore, NotAfter: ca.cert.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "*." + TestDomain},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}, ca.cert, &key.PublicKey, ca.key)
	leaf = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return ca.pem(), leaf, err
}
