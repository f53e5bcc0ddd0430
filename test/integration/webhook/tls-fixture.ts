// A self-signed certificate for receiver.test, made for these tests only and valid for 100 years.
// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=receiver.test
//   -addext subjectAltName=DNS:receiver.test -addext basicConstraints=critical,CA:TRUE

export const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglCKaO+gH1Ip/i/8P
+0qSJgub58wIWgzzq3dgWl1nTgKhRANCAASU5LxSjimmMhH3u0uPwNlmJpCyD6vy
GxzGXAf9q6CYIiqCiHRRO5XiFApsZZENBpxHi0OAYrJD9kIX4ecNbSbZ
-----END PRIVATE KEY-----
`;

export const TEST_CERT = `-----BEGIN CERTIFICATE-----
MIIBojCCAUegAwIBAgIUeZ3QdFgginkzXw9jM8X8CJ/okRswCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcmVjZWl2ZXIudGVzdDAgFw0yNjExMjIxMTQ0MDRaGA8yMTI2
MTAyOTExNDQwNFowGDEWMBQGA1UEAwwNcmVjZWl2ZXIudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABJTkvFKOKaYyEfe7S4/A2WYmkLIPq/IbHMZcB/2roJgi
KoKIdFE7leIUCmxlkQ0GnEeLQ4BiskP2Qhfh5w1tJtmjbTBrMB0GA1UdDgQWBBSl
ip7LmP5HeYKihimqkSa9h83j9DAfBgNVHSMEGDAWgBSlip7LmP5HeYKihimqkSa9
h83j9DAYBgNVHREEETAPgg1yZWNlaXZlci50ZXN0MA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhAI+7/F1VEaE3e1aWfkH72N4Oib8NTrlUKiLZ9y9x
uRxiAiEAsXSgNk5kmRJfoZzxi8yKfrFhChPs2hFdlS2hq/QJ5nk=
-----END CERTIFICATE-----
`;
